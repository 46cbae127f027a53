import type { Authority } from '@countersign/testkit'

/** The ways in which a service can get its certificates. */
export const hows = ['files', 'workload-api'] as const

/** Where the certificates of a service come from, and how they are replaced. */
export interface Rotation {
  readonly how: (typeof hows)[number]
  /** The folder of the files, or the endpoint of the agent. */
  readonly place: string
  /** What every certificate ends in. */
  readonly authority: Authority
  /** Puts a new key and certificate in place, every second time of a new intermediate authority. */
  next(): Promise<void>
  close(): Promise<void>
}
