import type { MaterialInput } from '@countersign/core'

/** What a server of open connections is told first. */
export interface ConnectionServerTask {
  readonly isGuarded: boolean
  readonly material: MaterialInput
  /** What `source.replace` gets, one after another. */
  readonly updates: readonly MaterialInput[]
}

/** Bytes after a garbage collection. */
export interface Memory {
  /** On the heap of JavaScript and beyond it. */
  readonly heap: number
  /** Of the whole process. */
  readonly resident: number
}

/** What a process that holds connections open is told. */
export interface HoldTask {
  readonly port: number
  readonly count: number
  readonly key: string
  readonly cert: string
}
