import type { MaterialInput } from '@countersign/core'
import type { Check, Framework } from '../subject.ts'

/** One server under one kind of load. */
export interface RequestCase {
  readonly framework: Framework
  readonly check: Check
  readonly http: 1 | 2
  readonly connections: number
  /** 0 leaves each decision to the route. */
  readonly rules: number
  readonly isAllowed: boolean
  /** Whether denials are written to the default log. */
  readonly logs: boolean
}

/** The first message to a server process. */
export interface RequestTask extends RequestCase {
  readonly material: MaterialInput
}
