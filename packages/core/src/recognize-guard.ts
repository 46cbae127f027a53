import { ConfigurationError } from '@countersign/spiffe'
import { describeValue, isCallable, isRecord } from '@countersign/spiffe/options'
import { AdapterGuard } from './adapter-guard.ts'
import type { Guard } from './guard.ts'

/**
 * Returns whether `findRecord` of this copy of the package returns what `keepRecord` of the guard stored: whether the
 * guard is from this copy.
 */
export function sharesRecords(guard: AdapterGuard): boolean {
  return guard instanceof AdapterGuard
}

/** Returns whether a value is a guard, including one from another copy of this package. */
export function isGuard(value: unknown): value is AdapterGuard {
  return isRecord(value) && ['admit', 'attach', 'tlsOptions'].every((name) => isCallable(value[name]))
}

/**
 * Returns the guard with the methods that adapters call.
 *
 * @throws {ConfigurationError} `option_invalid` if the value is not a guard
 */
export function forAdapter(guard: Guard): AdapterGuard {
  if (isGuard(guard)) return guard
  throw new ConfigurationError('option_invalid', `found ${describeValue(guard)}, expected what createGuard() returns`)
}
