import type { MaterialInput } from '@countersign/core'

/** The first message to a server of open connections. */
export interface ConnectionServerTask {
  readonly isGuarded: boolean
  readonly material: MaterialInput
  /** The updates for `source.replace`, one after another. */
  readonly updates: readonly MaterialInput[]
}

/** Bytes after a garbage collection. */
export interface Memory {
  /** JavaScript heap and external memory. */
  readonly heap: number
  /** Of the whole process. */
  readonly resident: number
}

/** The message to a process that holds connections open. */
export interface HoldTask {
  readonly port: number
  readonly count: number
  readonly key: string
  readonly cert: string
}
