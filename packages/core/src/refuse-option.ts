import { ConfigurationError } from '@countersign/spiffe'
import { describeValue } from '@countersign/spiffe/options'

/** Refuses the value of an option of `createGuard`. */
export function refuseOption(option: string, found: unknown, expected: string): never {
  throw new ConfigurationError(
    'option_invalid',
    `createGuard: ${option}: found ${describeValue(found)}, expected ${expected}`,
    { value: typeof found === 'object' ? option : found },
  )
}
