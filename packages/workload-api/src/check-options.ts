import { refuseValue } from '@countersign/spiffe/options'

/**
 * Checks that a duration is valid for a timer.
 *
 * @throws {ConfigurationError} `option_invalid`
 */
export function checkMilliseconds(where: string, option: string, value: number): void {
  if (Number.isFinite(value) && value >= 1 && value <= 2 ** 31 - 1) return
  refuseOption(where, option, value, 'at least 1 millisecond')
}

/** Throws the error for an invalid option value. */
export function refuseOption(where: string, option: string, found: unknown, expected: string): never {
  refuseValue(`${where}: ${option}`, found, expected)
}
