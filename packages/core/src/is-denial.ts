import type { Denial } from '@countersign/authorization'
import { ConfigurationError } from '@countersign/spiffe'
import { describeValue } from '@countersign/spiffe/options'
import type { Principal } from './principal/principal.ts'

/**
 * Returns whether `admit` denied the request.
 *
 * @throws {ConfigurationError} `option_invalid` for any other value, because a value that is not a denial would be
 * treated as allowed
 */
export function isDenial(verdict: Principal | Denial): verdict is Denial {
  if (typeof verdict === 'object' && verdict !== null) {
    if ('effect' in verdict) return true
    if ('authorities' in verdict) return false
  }
  const message = `isDenial: found ${describeValue(verdict)}, expected what admit() returns`
  throw new ConfigurationError('option_invalid', message)
}
