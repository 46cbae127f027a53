import { ConfigurationError } from '@countersign/core'

/**
 * Checks that options are an object without an unknown name.
 *
 * @throws {ConfigurationError} `option_unknown` or `option_invalid`
 */
export function checkNames(options: object, known: readonly string[], where: string): void {
  if (typeof options !== 'object' || options === null) refuseOption(where, 'options', options, 'an object')
  const unknown = Object.keys(options).find((name) => !known.includes(name))
  if (unknown === undefined) return
  const message = `${where}: unknown option '${unknown}'; known are ${known.join(', ')}`
  throw new ConfigurationError('option_unknown', message, { value: unknown })
}

/**
 * Checks a time that a timer can wait for.
 *
 * @throws {ConfigurationError} `option_invalid`
 */
export function checkMilliseconds(where: string, option: string, value: number): void {
  if (Number.isFinite(value) && value >= 1 && value <= 2 ** 31 - 1) return
  refuseOption(where, option, value, 'milliseconds from 1 on')
}

/** Refuses the value of an option. */
export function refuseOption(where: string, option: string, found: unknown, expected: string): never {
  const shown = typeof found === 'string' ? `'${found.slice(0, 80)}'` : String(found)
  throw new ConfigurationError('option_invalid', `${where}: ${option}: found ${shown}, expected ${expected}`, {
    value: found,
  })
}
