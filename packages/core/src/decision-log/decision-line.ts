import type { DenialCode, DenialReason } from '@countersign/authorization'

/** A decision, as a line of the decision log. `packages/core/decision-log.schema.json` describes the same form. */
export interface DecisionLine {
  readonly version: 1
  readonly type: 'decision'
  /** ISO 8601 in UTC, with milliseconds. */
  readonly time: string
  readonly effect: 'allow' | 'deny'
  readonly method: string
  /** Without query, fragment and host. `(redacted)` if no part may be shown. */
  readonly path: string
  /**
   * Present if `path` is not the exact path of the request. `redacted`: it was replaced, or its host was removed.
   * `cut`: it may be longer than the 256 characters reported.
   */
  readonly pathState?: 'redacted' | 'cut'
  /** The principal's name. Null if no caller was authenticated. */
  readonly principal: string | null
  /** The kind of credential that proved the principal. */
  readonly credential?: string
  /** The name of the proxy that forwarded the principal. */
  readonly proxy?: string
  /** The index of the rule that decided. */
  readonly rule?: number
  /** The name of the policy that decided. */
  readonly policy?: string
  /** The revision of the rules and policies that decided. */
  readonly revision?: string
  /** Present only with `include: ['remoteAddress']`. */
  readonly remoteAddress?: string
  /** Identifies a denial. The response contains the same `id`. */
  readonly id?: string
  readonly status?: number
  readonly code?: DenialCode
  readonly reason?: DenialReason
  readonly missing?: readonly string[]
  /** In audit mode, the denial that enforcement would have made of an allowed request. */
  readonly wouldBe?: WouldBeLine
  /**
   * The probability with which this decision was written, above 0 and at most 1. The sum of `1 / sampled` over lines
   * estimates the number of requests.
   */
  readonly sampled: number
}

/** The denial that audit mode did not enforce. */
export interface WouldBeLine {
  readonly effect: 'deny'
  readonly id: string
  readonly status: number
  readonly code: DenialCode
  readonly reason: DenialReason
  readonly rule?: number
  readonly policy?: string
  readonly missing?: readonly string[]
}

/** A line of the decision log: how many decisions were not written since the last such line. */
export interface DroppedLine extends DroppedCounts {
  readonly version: 1
  readonly type: 'dropped'
  /** ISO 8601 in UTC, with milliseconds. */
  readonly time: string
}

/** How many decisions were not written, and why. Decisions that are not in the sample do not count. */
export interface DroppedCounts {
  /** Denials without a principal beyond `maxPerSecond`. */
  readonly rate: number
  /** Dropped because the queue was full: the file or stream is too slow. */
  readonly queue: number
  /** Could not be written: the stream failed, or the log was closed before the file accepted them. */
  readonly failed: number
}

/**
 * The path of a line if no part of the request's path may be shown. Never equal to a path, because it does not begin
 * with `/`.
 */
export const redactedPath = '(redacted)'
