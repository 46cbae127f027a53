import { refuseValue } from '@countersign/spiffe/options'

/**
 * Refuses a part of a rule or of a requirement.
 *
 * @throws {ConfigurationError} always, `rule_invalid` with the place, what was found there and what to write instead
 */
export function refuseRule(where: string, found: unknown, expected: string): never {
  refuseValue(where, found, expected, 'rule_invalid')
}
