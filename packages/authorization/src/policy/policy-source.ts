import type { Rule } from '../rule.ts'
import type { Policy } from './policy.ts'

/** Policies, and optionally rules, that are replaced as a whole. */
export interface PolicySet {
  /** The rules, if the set has them. A guard accepts rules either from `createGuard({ rules })` or from here. */
  readonly rules?: readonly Rule[]
  /** Default: none. */
  readonly policies?: readonly Policy[]
  /** Identifies the content in decisions and events. Default: `sha256:` and the hash of the content. */
  readonly revision?: string
}

/** A source of policies that can change while the service runs. */
export interface PolicySource {
  /** The last good set. */
  readonly current: PolicySet
  /** Calls the listener with each new set. Returns a function that removes it. */
  onUpdate(listener: (set: PolicySet) => void): () => void
  /** Calls the listener for refused updates, recoveries and warnings. Returns a function that removes it. */
  onNotice(listener: (notice: PolicyNotice) => void): () => void
  /** Stops following changes. The current set stays in use. */
  close(): Promise<void>
}

/** A report of a policy source besides new sets. */
export interface PolicyNotice {
  /**
   * `refused`: an update is invalid and the last good set stays in use. `recovered`: the current set is valid again.
   */
  readonly outcome: 'refused' | 'recovered' | 'warning'
  /** Epoch milliseconds. */
  readonly at: number
  readonly detail: string
  readonly code?: string
}
