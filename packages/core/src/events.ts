import { channel } from 'node:diagnostics_channel'
import { ignoreRejection } from '@countersign/spiffe/options'
import type { CredentialKind, DenialCode, DenialReason } from '@countersign/authorization'
import type { CountersignErrorCode } from './errors.ts'

/**
 * A connection authenticated a workload, or was closed because it did not. Published on `countersign:authentication`.
 */
export interface AuthenticationEvent {
  readonly type: 'authentication'
  /** `warning`: the peer was accepted, but an operator should look at it. */
  readonly outcome: 'accepted' | 'refused' | 'warning'
  /** Epoch milliseconds. */
  readonly at: number
  /** The SPIFFE ID of an accepted peer. For a refused peer, only what its certificate claims, if it could be read. */
  readonly spiffeId?: string
  /**
   * The common name or DNS name, where peers are identified by it. For a refused peer, only what its certificate
   * claims.
   */
  readonly subject?: string
  readonly serialNumber?: string
  /** Epoch milliseconds. Present for an accepted peer. */
  readonly expiresAt?: number
  /** Why a peer was refused: a short reason, suitable as a metric label. */
  readonly reason?: string
  /** The reason in words. Never sent to the peer. */
  readonly detail?: string
  readonly remoteAddress?: string
  /**
   * Present only in the log, and only on an event that summarizes several: how many events it represents. This event is
   * the last of them, and the others were not written. They share the same `reason` and come from the same address (for
   * IPv6, the same first 64 bits) or, if `remoteAddress` is absent, from several addresses.
   */
  readonly repeated?: number
  /** The host and port that we called. Present only on a dialer's event about a server. */
  readonly server?: string
}

/** What proved the caller of a decided request, and which policies decided. */
export interface DecisionContext {
  /** What proved the caller. Absent if the caller is anonymous or was not authenticated. */
  readonly credential?: CredentialKind
  /** The name of the proxy that forwarded the caller, if one did. */
  readonly proxy?: string
  /** The revision of the policies with which the request was decided. Absent without policies. */
  readonly revision?: string
  /** The name of the policy that decided: the DENY policy of a denial, or an ALLOW policy that matches. */
  readonly policy?: string
}

/** A request was denied. Published on `countersign:denial`. The caller receives the same `id`. */
export interface DenialEvent extends DecisionContext {
  readonly type: 'denial'
  readonly at: number
  readonly id: string
  readonly status: 400 | 401 | 403 | 503
  readonly code: DenialCode
  readonly reason: DenialReason
  readonly detail: string
  readonly method: string
  /** Without the query, which may hold secrets. At most 256 characters. */
  readonly path: string
  /** The principal's name, if one was authenticated. */
  readonly principal?: string
  /** The index of the rule that decided. */
  readonly rule?: number
  readonly missing?: readonly string[]
  readonly remoteAddress?: string
  /**
   * Present only in the log, and only without a principal: how many denials this event represents; see
   * `AuthenticationEvent`.
   */
  readonly repeated?: number
}

/**
 * A request was decided. Published only on `countersign:decision`, so it costs nothing without subscribers. A denied
 * request also produces a `DenialEvent` with the same id.
 */
export type DecisionEvent = AllowedEvent | (Omit<DenialEvent, 'type'> & DeniedEffect)

/**
 * A request was allowed: by the rules, and also by its route if the framework makes the route known before the handler
 * runs.
 */
export interface AllowedEvent extends Pick<DenialEvent, 'at' | 'method' | 'path' | 'remoteAddress'>, DecisionContext {
  readonly type: 'decision'
  readonly effect: 'allow'
  /** The principal's name. Null for an anonymous caller. */
  readonly principal: string | null
  /** The index of the rule that decided. */
  readonly rule?: number
  /** In audit mode, the denial that enforcement would have made. */
  readonly wouldBe?: Pick<
    DenialEvent,
    'id' | 'status' | 'code' | 'reason' | 'detail' | 'rule' | 'policy' | 'missing'
  > & { readonly effect: 'deny' }
}

/**
 * A request of an authenticated caller that enforcement would have denied, and that audit mode let through. Published on
 * `countersign:audit`. The fields are those of the denial that enforcement would have made.
 */
export interface AuditEvent extends Omit<DenialEvent, 'type' | 'principal'> {
  readonly type: 'audit'
  /** The principal's name. */
  readonly principal: string
}

/** A temporary mode of a guard started or ended. Published on `countersign:mode`. */
export interface ModeEvent {
  readonly type: 'mode'
  readonly mode: 'permissive' | 'audit'
  /** `expired`: its end had already passed when the guard started, so it never began. */
  readonly outcome: 'started' | 'ended' | 'expired'
  readonly at: number
  /** Epoch milliseconds: the end of the mode. */
  readonly until: number
  readonly detail: string
  /** The routes open to anonymous callers, when permissive mode starts or an update of the policies adds some. */
  readonly routes?: readonly string[]
  /** The index of the rule, if the mode is of one rule. */
  readonly rule?: number
  /** The name of the policy, if the mode is of one policy. */
  readonly policy?: string
  /** The revision of the policies that the mode is about. Absent without policies. */
  readonly revision?: string
}

/** The policies of a guard changed or failed, or one for emergencies is in use. Published on `countersign:policy`. */
export interface PolicyEvent {
  readonly type: 'policy'
  /**
   * What happened:
   *
   * - `loaded`: this revision decides from now on.
   * - `refused`: an update was invalid and the previous revision stays in use.
   * - `recovered`: the policies are valid again after a `refused`.
   * - `warning`: the policies are valid, but an operator should look at them or at their files.
   * - `break-glass`: a policy with `breakGlass` allowed a request. Reported for the first request of a caller, and then
   *   once a minute while it is in use.
   */
  readonly outcome: 'loaded' | 'refused' | 'recovered' | 'warning' | 'break-glass'
  readonly at: number
  readonly detail: string
  /** The revision in use. */
  readonly revision?: string
  readonly code?: string
  /** The name of the policy in use. */
  readonly policy?: string
  /** The principal's name. */
  readonly principal?: string
  /** How many requests of this caller the policy has allowed since the last such event. */
  readonly requests?: number
}

/**
 * A finding of `guard.review` that the service starts with. Published on `countersign:review`, once for each guard, when
 * a server or a migration listener begins to listen.
 */
export interface ReviewEvent {
  readonly type: 'review'
  readonly at: number
  /** The `id` of the finding, suitable as a metric label. */
  readonly id: string
  readonly severity: 'error' | 'warning'
  /** What was found, what is expected, and what to do. */
  readonly detail: string
}

/** The fields that distinguish a denial on `countersign:decision` from one on `countersign:denial`. */
export interface DeniedEffect {
  readonly type: 'decision'
  readonly effect: 'deny'
}

/**
 * The source of X.509 material changed or failed, or some of its material will expire. Published on
 * `countersign:source`.
 */
export interface SourceEvent {
  readonly type: 'source'
  /**
   * What happened:
   *
   * - `refused`: an update was invalid and the previous material stays in use.
   * - `lost`: no caller can be authenticated until the source has a valid certificate again.
   * - `recovered`: a `refused` or `lost` state is over.
   * - `expiring`: a certificate is close to its expiry.
   */
  readonly outcome: 'updated' | 'refused' | 'lost' | 'recovered' | 'warning' | 'expiring'
  readonly at: number
  readonly detail: string
  readonly code?: CountersignErrorCode
  /** The trust domain whose bundle or certificate the event is about, if there is one. */
  readonly trustDomain?: string
  /** The SPIFFE ID of our own SVID. */
  readonly spiffeId?: string
  readonly serialNumber?: string
  /** Epoch milliseconds: the expiry of our own certificate, or of the one that is expiring. */
  readonly expiresAt?: number
  /**
   * What the event is about, if not X.509 material as a whole: our own certificate or an authority that is expiring and
   * that no younger authority of its trust domain succeeds, or the JWT bundles with which tokens are verified.
   */
  readonly of?: 'own' | 'authority' | 'jwt-bundle'
  /** The fraction of an expiring certificate's lifetime that remains: 0.5, 0.2 or 0.05. */
  readonly remaining?: number
}

/** Every event that a guard reports. Events never contain a key or a whole certificate. */
export type CountersignEvent =
  | AuthenticationEvent
  | DenialEvent
  | SourceEvent
  | AuditEvent
  | ModeEvent
  | PolicyEvent
  | ReviewEvent

/** The names of the `node:diagnostics_channel` channels on which every guard of the process publishes. */
export const channels: {
  readonly audit: 'countersign:audit'
  readonly authentication: 'countersign:authentication'
  readonly decision: 'countersign:decision'
  readonly denial: 'countersign:denial'
  readonly mode: 'countersign:mode'
  readonly policy: 'countersign:policy'
  readonly review: 'countersign:review'
  readonly source: 'countersign:source'
} = Object.freeze({
  audit: 'countersign:audit',
  authentication: 'countersign:authentication',
  decision: 'countersign:decision',
  denial: 'countersign:denial',
  mode: 'countersign:mode',
  policy: 'countersign:policy',
  review: 'countersign:review',
  source: 'countersign:source',
})

/** Publishes events on their channel, and logs those that matter to an operator. */
export interface Reporter {
  /**
   * `wasAuthenticated`: the event is about a connection whose peer was authenticated before, so an unauthenticated
   * client cannot have caused it. Default: false.
   */
  (event: CountersignEvent, wasAuthenticated?: boolean): void
}

/** Creates a reporter that writes every loggable event to `log`, without summarizing. */
export function createReporter(log: (event: CountersignEvent) => void): Reporter {
  return (event) => {
    if (publish(event)) writeSafely(log, event)
  }
}

/** Publishes an event and returns whether to log it too. Accepted peers and updates of the source are published only. */
export function publish(event: CountersignEvent): boolean {
  const subject = byType[event.type]
  if (subject.hasSubscribers) subject.publish(event)
  if (event.type === 'denial' || event.type === 'audit' || event.type === 'review') return true
  return event.outcome !== 'accepted' && event.outcome !== 'updated'
}

/** Writes an event to a log and ignores what the log throws, because no response may depend on logging. */
export function writeSafely(log: (event: CountersignEvent) => unknown, event: CountersignEvent): void {
  try {
    ignoreRejection(log(event))
  } catch {
    // Ignored; see above.
  }
}

/** Returns whether the channel for such events has subscribers. Callers skip building events that go nowhere else. */
export function hasSubscribers(type: CountersignEvent['type'] | DecisionEvent['type']): boolean {
  return byType[type].hasSubscribers
}

/** Publishes a decision on its channel. Decisions are not logged. */
export function publishDecision(event: DecisionEvent): void {
  byType.decision.publish(event)
}

/** Writes an event to standard error as one line of JSON. This is the log if there is no other. */
export function logToStandardError(event: CountersignEvent): void {
  process.stderr.write(`${JSON.stringify({ name: 'countersign', ...event })}\n`)
}

const byType = {
  audit: channel(channels.audit),
  authentication: channel(channels.authentication),
  decision: channel(channels.decision),
  denial: channel(channels.denial),
  mode: channel(channels.mode),
  policy: channel(channels.policy),
  review: channel(channels.review),
  source: channel(channels.source),
}
