import { channel } from 'node:diagnostics_channel'
import { ignoreRejection } from '@countersign/spiffe/options'
import type { DenialCode, DenialReason } from '@countersign/authorization'
import type { CountersignErrorCode } from './errors.ts'

/** A connection authenticated a workload, or was ended because it did not. Published on `countersign:authentication`. */
export interface AuthenticationEvent {
  readonly type: 'authentication'
  /** `warning`: it was accepted, but somebody should look. */
  readonly outcome: 'accepted' | 'refused' | 'warning'
  /** Epoch milliseconds. */
  readonly at: number
  /** The SPIFFE ID of an accepted peer; of a refused one only what its certificate claims, where it could be read. */
  readonly spiffeId?: string
  /** The common name or DNS name, where peers are known by that; of a refused one what its certificate claims. */
  readonly subject?: string
  readonly serialNumber?: string
  /** Epoch milliseconds, for an accepted peer. */
  readonly expiresAt?: number
  /** Why a peer was refused; a word to count by. */
  readonly reason?: string
  /** The reason in words. Never sent to the peer. */
  readonly detail?: string
  readonly remoteAddress?: string
  /**
   * In the log alone: for how many events this one stands, of which it is the last; none of them was written. They have
   * the same `reason` and come from the same address (of IPv6 the first 64 bits), or, without `remoteAddress`, from many.
   * Absent for an event that stands for itself.
   */
  readonly repeated?: number
  /** Host and port that we called: there only where the peer is a server, and the event one of a dialer. */
  readonly server?: string
}

/** A request was denied. Published on `countersign:denial`; `id` is what the caller was told. */
export interface DenialEvent {
  readonly type: 'denial'
  readonly at: number
  readonly id: string
  readonly status: 400 | 403 | 503
  readonly code: DenialCode
  readonly reason: DenialReason
  readonly detail: string
  readonly method: string
  /** Without the query, which may hold secrets; at most 256 characters. */
  readonly path: string
  /** The name of the principal, where one was authenticated. */
  readonly principal?: string
  /** The index of the rule that decided. */
  readonly rule?: number
  readonly missing?: readonly string[]
  readonly remoteAddress?: string
  /** In the log alone, and only without a principal: for how many denials this one stands; see `AuthenticationEvent`. */
  readonly repeated?: number
}

/**
 * A request was decided. Published on `countersign:decision` alone, so that it costs nothing while nobody subscribes; what
 * is denied is a `DenialEvent` as well, with the same id.
 */
export type DecisionEvent = AllowedEvent | (Omit<DenialEvent, 'type'> & DeniedEffect)

/** A request was allowed: by the rules, and by its route where the framework makes that known before the handler. */
export interface AllowedEvent extends Pick<DenialEvent, 'at' | 'method' | 'path' | 'remoteAddress'> {
  readonly type: 'decision'
  readonly effect: 'allow'
  /** The name of the principal. */
  readonly principal: string
  /** The index of the rule that decided. */
  readonly rule?: number
}

/** What tells a denial on `countersign:decision` from one on `countersign:denial`. */
export interface DeniedEffect {
  readonly type: 'decision'
  readonly effect: 'deny'
}

/** The source of X.509 material changed or failed, or what it gave will expire. Published on `countersign:source`. */
export interface SourceEvent {
  readonly type: 'source'
  /** `refused`: an update was bad and what was there stays; `lost`: nobody is authenticated until there is a valid certificate of our own again; `recovered`: either of these is over; `expiring`: a certificate comes near its end. */
  readonly outcome: 'updated' | 'refused' | 'lost' | 'recovered' | 'warning' | 'expiring'
  readonly at: number
  readonly detail: string
  readonly code?: CountersignErrorCode
  /** Whose bundle or certificate it is about, where it is about one. */
  readonly trustDomain?: string
  /** Of our own SVID. */
  readonly spiffeId?: string
  readonly serialNumber?: string
  /** Epoch milliseconds: of our own certificate, or of the one that is expiring. */
  readonly expiresAt?: number
  /** What is expiring: our own certificate, or an authority that no younger one of its trust domain succeeds. */
  readonly of?: 'own' | 'authority'
  /** How much of the life of an expiring certificate is left: 0.5, 0.2 or 0.05. */
  readonly remaining?: number
}

/** Everything that a guard reports. No event holds a key or a whole certificate. */
export type CountersignEvent = AuthenticationEvent | DenialEvent | SourceEvent

/** The names of the `node:diagnostics_channel` channels on which every guard of the process publishes. */
export const channels: {
  readonly authentication: 'countersign:authentication'
  readonly decision: 'countersign:decision'
  readonly denial: 'countersign:denial'
  readonly source: 'countersign:source'
} = Object.freeze({
  authentication: 'countersign:authentication',
  decision: 'countersign:decision',
  denial: 'countersign:denial',
  source: 'countersign:source',
})

/** Publishes events on their channel and gives those that an operator must see to the log. */
export interface Reporter {
  /** `wasAuthenticated`: it is about a connection that was authenticated before, and not about whoever may connect. Default: no. */
  (event: CountersignEvent, wasAuthenticated?: boolean): void
}

/** Creates a reporter whose log gets every event that is meant for a log. */
export function createReporter(log: (event: CountersignEvent) => void): Reporter {
  return (event) => {
    if (publish(event)) writeSafely(log, event)
  }
}

/** Publishes an event; returns whether it is for the log too: accepted peers and updates go to the channels only. */
export function publish(event: CountersignEvent): boolean {
  const subject = byType[event.type]
  if (subject.hasSubscribers) subject.publish(event)
  return event.type === 'denial' || (event.outcome !== 'accepted' && event.outcome !== 'updated')
}

/** Writes an event to a log. What that throws is dropped: no answer may depend on where an event is written down. */
export function writeSafely(log: (event: CountersignEvent) => unknown, event: CountersignEvent): void {
  try {
    ignoreRejection(log(event))
  } catch {
    // See above.
  }
}

/** Whether anybody listens to the channel of such events: of those that go nowhere else, none has to be made otherwise. */
export function hasSubscribers(type: CountersignEvent['type'] | DecisionEvent['type']): boolean {
  return byType[type].hasSubscribers
}

/** Publishes a decision on its channel; decisions are not logged. */
export function publishDecision(event: DecisionEvent): void {
  byType.decision.publish(event)
}

/** The log of last resort: one line of JSON on standard error. */
export function logToStandardError(event: CountersignEvent): void {
  process.stderr.write(`${JSON.stringify({ name: 'countersign', ...event })}\n`)
}

const byType = {
  authentication: channel(channels.authentication),
  decision: channel(channels.decision),
  denial: channel(channels.denial),
  source: channel(channels.source),
}
