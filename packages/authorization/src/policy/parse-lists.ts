import { parseStringList } from '@countersign/spiffe/options'
import { refuseRule } from '../refuse-rule.ts'

/**
 * Parses a list of distinct texts, at least one, into a frozen copy. `parse` returns the normalized form of a text.
 *
 * @throws {ConfigurationError} the message names the entry
 */
export function parseTexts(
  input: unknown,
  where: string,
  parse: (text: string, where: string) => string,
): readonly string[] {
  const texts = parseStringList(input, where).map((text, index) => parse(text, `${where}[${index}]`))
  if (texts.length > 1) refuseRepeated(texts, where)
  return Object.freeze(texts)
}

/**
 * Refuses a list that contains a value twice.
 *
 * @throws {ConfigurationError} `rule_invalid`
 */
export function refuseRepeated(values: readonly unknown[], where: string): void {
  if (new Set(values).size === values.length) return
  const index = values.findIndex((value, place) => values.indexOf(value) < place)
  refuseRule(`${where}[${index}]`, values[index], 'each value once')
}

/**
 * Refuses a value that a field lists together with its negative form, because nothing would match it.
 *
 * @throws {ConfigurationError} `rule_invalid`
 */
export function refuseContradiction(
  values: readonly unknown[] | undefined,
  notValues: readonly unknown[] | undefined,
  where: string,
): void {
  if (values === undefined || notValues === undefined) return
  const listed = new Set(values)
  const index = notValues.findIndex((value) => listed.has(value))
  if (index === -1) return
  refuseRule(`${where}[${index}]`, notValues[index], 'a value that the positive field does not list')
}
