import type { MaterialInput } from '@countersign/core'

/** The ways to call that are compared. */
export const ways = ['https.Agent', 'createAgent', 'fetch of undici', 'createFetch'] as const
export type Way = (typeof ways)[number]

/** What a calling process is told first. */
export interface OutgoingTask {
  readonly routing: Way
  readonly port: number
  readonly material: MaterialInput
  readonly serverId: string
  /** Plain clients know one list of authorities. */
  readonly ca: string
}

/** What it is told later: as many requests, on kept connections or each on a new one. */
export interface OutgoingBatch {
  readonly requests: number
  readonly isNew: boolean
}

/** What the called process is told first. */
export interface CalledTask {
  readonly material: MaterialInput
}
