import type { MaterialInput } from '@countersign/core'

/** The compared clients. */
export const ways = ['https.Agent', 'createAgent', 'fetch of undici', 'createFetch'] as const
export type Way = (typeof ways)[number]

/** The first message to a calling process. */
export interface OutgoingTask {
  readonly routing: Way
  readonly port: number
  readonly material: MaterialInput
  readonly serverId: string
  /** Plain clients accept one list of authorities. */
  readonly ca: string
}

/** Later messages: the number of requests, on kept connections or each on a new one. */
export interface OutgoingBatch {
  readonly requests: number
  readonly isNew: boolean
}

/** The first message to the called process. */
export interface CalledTask {
  readonly material: MaterialInput
}
