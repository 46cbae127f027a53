import { ConfigurationError } from '@countersign/spiffe'
import type { Blueprint } from './blueprint.ts'

/** For each fault, the fields of the blueprint that it changes. */
export type FaultTable<Fault extends string> = Readonly<
  Record<Fault, (blueprint: Blueprint, issue: IssueContext) => Partial<Blueprint>>
>

/** The context of an issuance, for faults that depend on it. */
export interface IssueContext {
  /** The time of issue, in epoch milliseconds. */
  readonly now: number
  /** The trust domain of the issuing authority, or of the authority being created. */
  readonly trustDomain: string
}

/**
 * Applies faults in the given order. A later fault is applied to the result of the earlier ones, and may override it.
 *
 * @throws {ConfigurationError} `option_invalid` for an unknown fault, because a test with a misspelled one would pass
 * for the wrong reason
 */
export function applyFaults<Fault extends string>(
  blueprint: Blueprint,
  faults: readonly Fault[],
  table: FaultTable<Fault>,
  issue: IssueContext,
): Blueprint {
  return faults.reduce((changed, fault) => {
    if (!Object.hasOwn(table, fault)) {
      throw new ConfigurationError(
        'option_invalid',
        `faults: found '${fault}', expected one of ${Object.keys(table).join(', ')}`,
        { value: fault },
      )
    }
    return { ...changed, ...table[fault](changed, issue) }
  }, blueprint)
}

/**
 * Flips the last bit of a signed certificate, which belongs to the signature. The result is still DER, but the
 * signature is invalid.
 */
export function flipLastBit(der: Buffer): Buffer {
  const damaged = Buffer.from(der)
  damaged.writeUInt8(damaged.readUInt8(damaged.length - 1) ^ 1, damaged.length - 1)
  return damaged
}
