import type { Denial } from '@countersign/authorization'

/** How often requests of one caller would have been denied for one reason. */
export interface AuditEntry {
  /** The principal's name. */
  readonly principal: string
  readonly reason: Denial['reason']
  /** The index of the rule that would have denied. Absent if the route's own requirement, or no rule, would have. */
  readonly rule?: number
  /** The name of the DENY policy that would have denied. */
  readonly policy?: string
  readonly requests: number
  /** Epoch milliseconds. */
  readonly firstSeenAt: number
  /** Epoch milliseconds. */
  readonly lastSeenAt: number
  /** The decision id of the last one, as in its `audit` event. */
  readonly lastId: string
}

/** What enforcement would have denied since the process started. */
export interface AuditReport {
  /** Every would-be denial, including those that `entries` does not list. */
  readonly requests: number
  /** At most 1,000 callers and reasons, those seen first. */
  readonly entries: readonly AuditEntry[]
  /** The would-be denials of callers that `entries` does not list. */
  readonly others: number
}

/** Counts would-be denials, by caller, rule, policy and reason. Uses at most about 1 MiB. */
export class AuditCounts {
  readonly #entries = new Map<string, Mutable<AuditEntry>>()
  #requests = 0
  #others = 0

  /** Counts one would-be denial, at `now` (epoch milliseconds). */
  note({ reason, rule, policy, id }: Denial, principal: string, now: number): void {
    this.#requests += 1
    const key = `${reason} ${rule ?? ''} ${policy ?? ''}\n${principal}`
    const entry = this.#entries.get(key)
    if (entry !== undefined) {
      entry.requests += 1
      entry.lastSeenAt = now
      entry.lastId = id
    } else if (this.#entries.size < mostEntries) {
      const added = { principal, reason, ...(rule !== undefined && { rule }), ...(policy !== undefined && { policy }) }
      this.#entries.set(key, { ...added, requests: 1, firstSeenAt: now, lastSeenAt: now, lastId: id })
    } else this.#others += 1
  }

  report(): AuditReport {
    const entries = Array.from(this.#entries.values(), (entry) => Object.freeze({ ...entry }))
    return Object.freeze({ requests: this.#requests, entries: Object.freeze(entries), others: this.#others })
  }
}

type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] }

const mostEntries = 1000
