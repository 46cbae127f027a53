import { ConfigurationError } from '@countersign/spiffe'
import { describeValue, isOptions, isRecord, parseOptions } from '@countersign/spiffe/options'

/** The required type of an option's value, with its description for the error message. */
export type OptionKind = readonly [isRight: (value: unknown) => boolean, expected: string]

/**
 * Refuses unknown options and values of the wrong type, because a test whose option has no effect passes for the wrong
 * reason.
 *
 * @throws {ConfigurationError} `option_unknown` or `option_invalid`
 */
export function checkOptions(input: unknown, where: string, kinds: Readonly<Record<string, OptionKind>>): void {
  for (const [name, value] of Object.entries(parseOptions(input, Object.keys(kinds), where))) {
    const [isRight, expected] = kinds[name] ?? anything
    if (value !== undefined && !isRight(value)) refuseValue(`${where}: ${name}`, value, expected)
  }
}

/**
 * Validates an argument.
 *
 * @throws {ConfigurationError} `option_invalid`
 */
export function checkArgument(value: unknown, where: string, [isRight, expected]: OptionKind): void {
  if (!isRight(value)) refuseValue(where, value, expected)
}

/** Throws the error for a value of the wrong type. */
function refuseValue(where: string, value: unknown, expected: string): never {
  const message = `${where}: found ${describeValue(value)}, expected ${expected}`
  throw new ConfigurationError('option_invalid', message, { value: typeof value === 'object' ? where : value })
}

const anything: OptionKind = [() => true, '']

export const aNumber: OptionKind = [(value) => typeof value === 'number' && Number.isFinite(value), 'a number']

export const aText: OptionKind = [(value) => typeof value === 'string', 'text']

export const aBoolean: OptionKind = [(value) => typeof value === 'boolean', 'true or false']

export const aRecord: OptionKind = [isOptions, 'an object']

/** A subject or issuer. */
export const aName: OptionKind = [
  (value) => isOptions(value) && Object.values(value).every((entry) => typeof entry === 'string' || texts[0](entry)),
  "an object of strings, such as { O: 'Example', CN: 'x' }",
]

export const texts: OptionKind = [isListOf((entry) => typeof entry === 'string'), 'a list of strings']

export const records: OptionKind = [isListOf(isRecord), 'a list of objects']

export const certificates: OptionKind = [isListOf((entry) => entry instanceof Uint8Array), 'a list of DER']

/** Accepts null as well. */
export function orNull([isRight, expected]: OptionKind): OptionKind {
  return [(value) => value === null || isRight(value), `${expected}, or null`]
}

/** Accepts one of these words. */
export function oneOf(words: readonly string[]): OptionKind {
  return [(value) => typeof value === 'string' && words.includes(value), `one of ${words.join(', ')}`]
}

/** Creates a check for a list whose entries all satisfy a condition. */
export function isListOf(isRight: (entry: unknown) => boolean): (value: unknown) => boolean {
  return (value) => Array.isArray(value) && value.every(isRight)
}
