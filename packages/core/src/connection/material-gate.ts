import { createSecureContext } from 'node:tls'
import {
  advanceSourceState,
  ownCertificateOf,
  parseCertificates,
  type PeerTrust,
  type SourceStateEvent,
  startSourceState,
} from '@countersign/spiffe/internal'
import {
  type Certificate,
  type OwnCertificate,
  SourceError,
  type SourceNotice,
  type SubjectMaterial,
  type SubjectSource,
  type X509Material,
  type X509Source,
} from '@countersign/spiffe'
import { describeThrown } from '@countersign/spiffe/options'
import type { Reporter } from '../events.ts'
import { describeOwn } from './describe-own.ts'
import { describeClientOnly, describeLongLife } from './material-warnings.ts'
import { chooseOpensslVerdict, type OpensslVerdict } from './openssl-verdict.ts'
import type { Proof } from './proof.ts'
import { createPeerTrust, type TrustScope } from './trust-scope.ts'
import { createTlsOptions } from './tls-options.ts'
import { UpdateWarnings } from './update-warnings.ts'

/** The accepted material, with what is needed to verify peers. */
export interface TrustState {
  readonly own: OwnCertificate
  /** Verifies only the peers that this guard or dialer authenticates. */
  readonly trust: PeerTrust<Proof>
  /** Whether OpenSSL has to accept the peers as well. */
  readonly openssl: OpensslVerdict
  /**
   * Returns our own intermediates for the trust domain to which they belong. They complete the chains of its peers on
   * Node versions that expose only the leaf.
   */
  readonly known: (scope: string) => readonly Certificate[]
}

/** What a guard requires of its material. */
export interface MaterialPolicy {
  readonly scope: TrustScope
  /** Milliseconds. Our own certificate is refused if its lifetime is longer. */
  readonly maxCertificateLifetime: number | undefined
  /** True if callers may connect without a certificate. Default: false. */
  readonly isCertificateOptional?: boolean
}

/** Every kind of source that a guard accepts. */
export type GuardSource = X509Source | SubjectSource

/**
 * Controls which material of the source is used. Accepts new material only if it fits the guard, and returns none once
 * our own certificate has expired or the source has none.
 */
export class MaterialGate {
  /** Whether OpenSSL has to accept peers as well; the same for all material. */
  readonly openssl: OpensslVerdict
  readonly #source: GuardSource
  readonly #policy: MaterialPolicy
  readonly #report: Reporter
  #offered: X509Material | SubjectMaterial | undefined
  #trustState: TrustState | undefined
  #generation = 0
  #last: TrustState | undefined
  #state = startSourceState('empty')
  #isFollowed = false
  readonly #warnings: UpdateWarnings

  constructor(source: GuardSource, policy: MaterialPolicy, report: Reporter) {
    this.#source = source
    this.#policy = policy
    this.#report = report
    this.openssl = chooseOpensslVerdict(policy.scope, process.versions.node, policy.isCertificateOptional)
    this.#warnings = new UpdateWarnings(policy.scope, source.onNotice !== undefined)
  }

  /**
   * Returns the material that is valid at `now` (epoch milliseconds), or undefined if no caller can be authenticated.
   */
  current(now: number): TrustState | undefined {
    this.#refresh(now)
    // Read last, because a log that replaces or withdraws the material re-enters here.
    return this.#state.material === 'lost' ? undefined : this.#trustState
  }

  /**
   * Returns the same as `current`, for use on each request and connection. A followed source that reports every change is not read
   * again: calling `current` would read the clock a second time, and that is the most expensive step on the hot path.
   */
  latest(now: number): TrustState | undefined {
    const trustState = this.#trustState
    const isLost = this.#state.material === 'lost'
    if (!this.#isFollowed || isLost || trustState === undefined || now >= trustState.own.expiresAt) {
      return this.current(now)
    }
    return trustState
  }

  /** Changes whenever other material is accepted or the material is withdrawn. */
  get generation(): number {
    return this.#generation
  }

  /**
   * Returns whether the material of a generation is still in use and valid at `now` (epoch milliseconds). False also if
   * the source is not followed, because only reading it would show.
   */
  isCurrent(generation: number, now: number): boolean {
    if (!this.#isFollowed || this.#state.material === 'lost' || this.#generation !== generation) return false
    return this.#trustState !== undefined && now < this.#trustState.own.expiresAt
  }

  /** Called by the follower of the source: while followed, `current` is called after each change. */
  setFollowed(isFollowed: boolean): void {
    this.#isFollowed = isFollowed && this.#source.onNotice !== undefined
  }

  /** Records a notice of the source and returns whether to report it. */
  receive(notice: SourceNotice): boolean {
    const { state, notices } = advanceSourceState(this.#state, { type: 'notified', notice })
    this.#state = state
    return notices.length > 0
  }

  /** The material accepted last, whether or not it is still valid. */
  get last(): TrustState | undefined {
    return this.#last
  }

  #refresh(now: number): void {
    const offered = this.#read(now)
    if (offered === undefined) return
    if (offered !== this.#offered) this.#takeOrRefuse(offered, now)
    const own = this.#trustState?.own
    if (own === undefined) return
    // A source that is not ours may keep offering it.
    if (now >= own.expiresAt) this.#lose(now, describeExpiry(own.expiresAt))
    else this.#apply(available, now, own)
  }

  #read(now: number): X509Material | SubjectMaterial | undefined {
    try {
      return this.#source.current
    } catch (error) {
      // Withdrawn material must not come back when an update is refused.
      this.#offered = undefined
      this.#trustState = undefined
      this.#generation += 1
      this.#lose(now, toSourceError(error))
      return undefined
    }
  }

  #lose(now: number, { code, message }: Pick<SourceError, 'code' | 'message'>): void {
    this.#apply({ type: 'unavailable', code, detail: message }, now)
  }

  #apply(event: SourceStateEvent, now: number, own?: OwnCertificate): void {
    const { state, notices } = advanceSourceState(this.#state, event)
    // Set before reporting, because a log that reads the guard's health re-enters here.
    this.#state = state
    for (const { outcome, ...reason } of notices) {
      this.#report({ type: 'source', outcome, at: now, ...reason, ...(own !== undefined && describeOwn(own)) })
    }
  }

  #takeOrRefuse(offered: X509Material | SubjectMaterial, now: number): void {
    this.#offered = offered
    try {
      this.#take(offered, now)
    } catch (error) {
      // A source that is not ours can offer anything; the previous material stays in use.
      const { message } = toSourceError(error)
      const detail = `${message}; ${this.#trustState === undefined ? 'there is no earlier material' : 'the earlier material stays in use'}`
      this.#apply({ type: 'refused', code: 'update_refused', detail }, now)
    }
  }

  #take(offered: X509Material | SubjectMaterial, now: number): void {
    const own = ownCertificateOf(offered)
    const trust = createPeerTrust(this.#policy.scope, offered)
    checkCertificate(own, this.#policy)
    const ownIntermediates = parseCertificates(own.certificatePem).slice(1)
    const ownTrustDomain = offered.kind === 'subject' ? '' : offered.svid.spiffeId.trustDomain
    const known = (of: string): readonly Certificate[] => (of === ownTrustDomain ? ownIntermediates : [])
    const before = this.#last?.own
    const trustState = { own, trust, openssl: this.openssl, known }
    checkServable(trustState)
    this.#trustState = trustState
    this.#generation += 1
    this.#last = trustState
    const detail = before === undefined ? 'the first material' : 'new material'
    this.#report({ type: 'source', outcome: 'updated', at: now, detail, ...describeOwn(own) })
    for (const { outcome, ...reason } of this.#warnings.list({ material: offered, own, before }, now)) {
      this.#report({ type: 'source', outcome, at: now, ...reason })
    }
  }
}

const available: SourceStateEvent = {
  type: 'available',
  detail: 'the source has a valid certificate again',
}

function checkCertificate(own: OwnCertificate, { scope, maxCertificateLifetime }: MaterialPolicy): void {
  const tooLong = maxCertificateLifetime === undefined ? undefined : describeLongLife(own, maxCertificateLifetime)
  if (tooLong !== undefined) throw new SourceError('update_refused', `our own certificate: ${tooLong}`)
  const clientOnly = scope.kind === 'subject' ? describeClientOnly(own) : undefined
  if (clientOnly !== undefined) throw new SourceError('update_refused', clientOnly)
}

// OpenSSL has further requirements, even for certificates of our chain that no path needs. Reject unusable material
// here, because an exception in the server would end the process.
function checkServable(trustState: TrustState): void {
  try {
    createSecureContext(createTlsOptions(trustState, 'TLSv1.3'))
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause)
    const message = `OpenSSL refuses to present our own certificate: found ${found}, expected a chain with only the certificates that peers need`
    throw new SourceError('update_refused', message, { cause })
  }
}

function describeExpiry(expiresAt: number): Pick<SourceError, 'code' | 'message'> {
  const message = `our own certificate expired at ${new Date(expiresAt).toISOString()}, and the source has no other`
  return { code: 'source_expired', message }
}

function toSourceError(cause: unknown): SourceError {
  if (cause instanceof SourceError) return cause
  const detail = describeThrown(cause)
  return new SourceError('source_empty', `the source has no material: ${detail}`, { cause })
}
