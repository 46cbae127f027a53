import { refuseValue } from '@countersign/spiffe/options'

/**
 * Refuses part of a rule or of a requirement.
 *
 * @throws {ConfigurationError} always, with `rule_invalid`; the message states where, what was found and what to write
 * instead
 */
export function refuseRule(where: string, found: unknown, expected: string): never {
  refuseValue(where, found, expected, 'rule_invalid')
}
