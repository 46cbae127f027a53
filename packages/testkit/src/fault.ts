import { ConfigurationError } from '@countersign/spiffe'
import type { Blueprint } from './blueprint.ts'

/** For each fault the fields of the blueprint that it changes. */
export type FaultTable<Fault extends string> = Readonly<
  Record<Fault, (blueprint: Blueprint, issue: IssueContext) => Partial<Blueprint>>
>

/** The circumstances of an issue, for faults that depend on them. */
export interface IssueContext {
  /** The moment of issue, epoch milliseconds. */
  readonly now: number
  /** The trust domain of the authority, or that the authority is for. */
  readonly trustDomain: string
}

/**
 * Applies faults in the order given, so that a later one sees and may override an earlier one.
 *
 * @throws {ConfigurationError} `option_invalid` for a name that is no fault: a test of a misspelt fault would pass for
 * the wrong reason
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

/** Damages a signed certificate at its very end, which is the signature's last bit: still DER, no longer signed. */
export function flipLastBit(der: Buffer): Buffer {
  const damaged = Buffer.from(der)
  damaged.writeUInt8(damaged.readUInt8(damaged.length - 1) ^ 1, damaged.length - 1)
  return damaged
}
