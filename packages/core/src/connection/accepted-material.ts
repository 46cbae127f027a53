import { createSecureContext } from 'node:tls'
import {
  advanceSourceState,
  createServerTrust,
  createSubjectTrust,
  createSvidTrust,
  type ExpectedServers,
  parseCertificates,
  type PeerTrust,
  type SourceStateEvent,
  startSourceState,
} from '@countersign/spiffe/internal'
import {
  ConfigurationError,
  FaultNotices,
  type OwnCertificate,
  SourceError,
  type SourceNotice,
  type SubjectIdentity,
  type SubjectMaterial,
  type SubjectSource,
  type X509Bundle,
  type X509Material,
  type X509Source,
  type Certificate,
} from '@countersign/spiffe'
import type { Reporter } from '../events.ts'
import {
  describeClientOnly,
  describeIndistinct,
  describeLongLife,
  describeMissingBundle,
  longCertificateLifetime,
} from './material-warnings.ts'
import { chooseOpensslVerdict, type OpensslVerdict } from './openssl-verdict.ts'
import { createTlsOptions } from './tls-options.ts'
import type { Proof } from './verdict-cache.ts'

/** Material that the guard works with, and what of it concerns peers. */
export interface Accepted {
  readonly own: OwnCertificate
  /** What the peers are held against whose callers are authenticated, and no others. */
  readonly trust: PeerTrust<Proof>
  /** Whether OpenSSL has to accept the peers as well. */
  readonly openssl: OpensslVerdict
  /**
   * Our own intermediates, for the realm that they are of: they complete the chains of its peers on Node versions that show
   * the leaf alone.
   */
  readonly known: (realm: string) => readonly Certificate[]
}

/** What a guard was pinned to at its start. */
export type GuardRealm =
  | { readonly kind: 'spiffe'; readonly localTrustDomain: string; readonly trustDomains: readonly string[] }
  | { readonly kind: 'subject'; readonly identity: SubjectIdentity }

/** What a guard or a dialer was pinned to. */
export type Realm =
  | GuardRealm
  /** The peers are servers that we call. */
  | ({ readonly kind: 'servers'; readonly localTrustDomain: string } & ExpectedServers)
  /** Peers are held against something else; only our own certificate is used. */
  | { readonly kind: 'own' }

/** What a guard demands of its material. */
export interface MaterialPolicy {
  readonly realm: Realm
  /** Milliseconds; a longer life of our own certificate is refused. */
  readonly maxCertificateLifetime: number | undefined
}

/** Any source that a guard can have. */
export type GuardSource = X509Source | SubjectSource

/**
 * Stands between the source and everything that uses its material: takes a new one only if it is what the guard was
 * made for, and gives none once our own certificate has expired or the source has none.
 */
export class AcceptedMaterial {
  /** Whether OpenSSL has to accept peers as well; the same for all material. */
  readonly openssl: OpensslVerdict
  readonly #source: GuardSource
  readonly #policy: MaterialPolicy
  readonly #report: Reporter
  #offered: X509Material | SubjectMaterial | undefined
  #accepted: Accepted | undefined
  #last: Accepted | undefined
  #state = startSourceState('empty')
  #isFollowed = false
  readonly #warned = new WeakSet<readonly Certificate[]>()
  /** Trust domains that have no authority, as was told. */
  #without: ReadonlySet<string> = new Set()
  readonly #faults = new FaultNotices()

  constructor(source: GuardSource, policy: MaterialPolicy, report: Reporter) {
    this.#source = source
    this.#policy = policy
    this.#report = report
    this.openssl = chooseOpensslVerdict(policy.realm)
  }

  /** What holds at `now` (epoch milliseconds), or undefined when nobody can be authenticated. */
  current(now: number): Accepted | undefined {
    const offered = this.#read(now)
    if (offered === undefined) return undefined
    if (offered !== this.#offered) this.#takeOrRefuse(offered, now)
    const accepted = this.#accepted
    if (accepted === undefined) return undefined
    const { expiresAt } = accepted.own
    // A source that is not ours may go on offering it.
    if (now >= expiresAt) return this.#lose(now, describeExpiry(expiresAt))
    this.#apply(available, now, accepted.own)
    return accepted
  }

  /**
   * The same for each request. A source that tells of everything is not asked again while it is followed: asking it costs
   * a look at the clock, which is more than all else that is done here.
   */
  latest(now: number): Accepted | undefined {
    const accepted = this.#accepted
    const isLost = this.#state.material === 'lost'
    if (!this.#isFollowed || isLost || accepted === undefined || now >= accepted.own.expiresAt) {
      return this.current(now)
    }
    return accepted
  }

  /** Said by whoever follows the source: from now on `current` is asked after each change, or no longer. */
  noteFollowed(isFollowed: boolean): void {
    this.#isFollowed = isFollowed && this.#source.onNotice !== undefined
  }

  /** Takes a notice of the source; returns whether it has to be reported. */
  receive(notice: SourceNotice): boolean {
    const { state, notices } = advanceSourceState(this.#state, { type: 'notified', notice })
    this.#state = state
    return notices.length > 0
  }

  /** What was taken last, whether or not it still holds. */
  get last(): Accepted | undefined {
    return this.#last
  }

  #read(now: number): X509Material | SubjectMaterial | undefined {
    try {
      return this.#source.current
    } catch (error) {
      // What was withdrawn must not come back with an update that is refused.
      this.#offered = undefined
      this.#accepted = undefined
      return this.#lose(now, toSourceError(error))
    }
  }

  #lose(now: number, { code, message }: Pick<SourceError, 'code' | 'message'>): undefined {
    this.#apply({ type: 'unavailable', code, detail: message }, now)
    return undefined
  }

  #apply(event: SourceStateEvent, now: number, own?: OwnCertificate): void {
    const { state, notices } = advanceSourceState(this.#state, event)
    // Before the report: a log that asks for the guard's health comes back to here.
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
      // A source that is not ours can offer anything; what was there stays.
      const { message } = toSourceError(error)
      const detail = `${message}; ${this.#accepted === undefined ? 'there is no other' : 'what was there stays'}`
      this.#apply({ type: 'refused', code: 'update_refused', detail }, now)
    }
  }

  #take(offered: X509Material | SubjectMaterial, now: number): void {
    const { realm, maxCertificateLifetime } = this.#policy
    const own = ownOf(offered)
    const trust = trustOf(offered, realm)
    const tooLong = maxCertificateLifetime === undefined ? undefined : describeLongLife(own, maxCertificateLifetime)
    if (tooLong !== undefined) throw new SourceError('update_refused', `our own certificate: ${tooLong}`)
    const clientOnly = realm.kind === 'subject' ? describeClientOnly(own) : undefined
    if (clientOnly !== undefined) throw new SourceError('update_refused', clientOnly)
    const ownIntermediates = parseCertificates(own.certificatePem).slice(1)
    const ownRealm = 'ca' in offered ? '' : offered.svid.spiffeId.trustDomain
    const known = (of: string): readonly Certificate[] => (of === ownRealm ? ownIntermediates : [])
    const before = this.#last?.own
    const accepted = { own, trust, openssl: this.openssl, known }
    checkServable(accepted)
    this.#accepted = accepted
    this.#last = accepted
    const detail = before === undefined ? 'the first material' : 'new material'
    this.#report({ type: 'source', outcome: 'updated', at: now, detail, ...describeOwn(own) })
    if (own.sha256 !== before?.sha256) this.#warnOfLongLife(own, now)
    if (before !== undefined) this.#warnOfOtherName(before, own, now)
    this.#warnOfBundles(offered, now)
    this.#warnOfFaults(offered, now)
    this.#warnOfNoAuthorities(offered, now)
  }

  #warnOfOtherName(before: OwnCertificate, own: OwnCertificate, now: number): void {
    const [was, is] = [describeOwn(before).spiffeId, describeOwn(own).spiffeId]
    if (was === is) return
    const detail = `our own SPIFFE ID was ${was} and is ${is}; namespaces and rules stay those of the start`
    this.#report({ type: 'source', outcome: 'warning', at: now, code: 'spiffe_id_changed', detail })
  }

  #warnOfNoAuthorities(offered: X509Material | SubjectMaterial, now: number): void {
    const { realm } = this.#policy
    if (realm.kind === 'subject' || realm.kind === 'own' || 'ca' in offered) return
    // Where there is more to say than that it is empty, it is said by the faults of the bundle.
    const without = realm.trustDomains.filter((name) => {
      const { authorities, faults } = offered.bundles.get(name) ?? noBundle
      return authorities.length === 0 && faults.length === 0
    })
    for (const trustDomain of without) {
      if (this.#without.has(trustDomain)) continue
      const detail = describeMissingBundle(trustDomain, realm, offered.bundles)
      this.#report({ type: 'source', outcome: 'warning', at: now, code: 'bundle_empty', trustDomain, detail })
    }
    this.#without = new Set(without)
  }

  // Of a source that has notices, they come that way.
  #warnOfFaults(offered: X509Material | SubjectMaterial, now: number): void {
    if (this.#source.onNotice !== undefined) return
    for (const notice of this.#faults.take(offered, now)) this.#report({ type: 'source', ...notice })
  }

  #warnOfLongLife(own: OwnCertificate, now: number): void {
    const long = describeLongLife(own, longCertificateLifetime)
    if (long === undefined) return
    const detail = `our own certificate: ${long}`
    this.#report({ type: 'source', outcome: 'warning', at: now, code: 'certificate_long_lived', detail })
  }

  #warnOfBundles(offered: X509Material | SubjectMaterial, now: number): void {
    const bundles =
      'ca' in offered ? [{ trustDomain: 'the CA', authorities: offered.ca.authorities }] : [...offered.bundles.values()]
    for (const { trustDomain, authorities } of bundles) {
      // A bundle that did not change stays the same list from one material to the next.
      if (this.#warned.has(authorities)) continue
      this.#warned.add(authorities)
      const indistinct = describeIndistinct(authorities)
      if (indistinct === undefined) continue
      const detail = `bundle of ${trustDomain}: ${indistinct}`
      this.#report({ type: 'source', outcome: 'warning', at: now, code: 'authority_unusable', detail })
    }
  }
}

const available: SourceStateEvent = {
  type: 'available',
  detail: 'there is a valid certificate of our own again',
}

const noBundle: Pick<X509Bundle, 'authorities' | 'faults'> = { authorities: [], faults: [] }

/** What an event tells of our own certificate. */
function describeOwn(own: OwnCertificate): {
  readonly serialNumber: string
  readonly expiresAt: number
  readonly spiffeId?: string
} {
  const { serialNumber, expiresAt } = own
  return { serialNumber, expiresAt, ...('spiffeId' in own && { spiffeId: String(own.spiffeId) }) }
}

function ownOf(material: X509Material | SubjectMaterial): OwnCertificate {
  return 'ca' in material ? material.certificate : material.svid
}

function trustOf(material: X509Material | SubjectMaterial, realm: Realm): PeerTrust<Proof> {
  if (realm.kind === 'own') return createSvidTrust(new Map())
  if (realm.kind === 'subject') {
    if ('ca' in material) return createSubjectTrust(material.ca, realm.identity)
    throw new ConfigurationError('option_invalid', 'found bundles of SPIFFE, expected a CA without SPIFFE as at start')
  }
  if ('ca' in material) {
    throw new ConfigurationError('option_invalid', 'found a CA without SPIFFE, expected bundles of SPIFFE as at start')
  }
  const { svid, bundles } = material
  const { localTrustDomain, trustDomains, kind } = realm
  if (svid.spiffeId.trustDomain !== localTrustDomain) {
    const found = `found an SVID of ${svid.spiffeId.trustDomain}, expected ${localTrustDomain} as at start`
    throw new SourceError('update_refused', found)
  }
  if (kind === 'servers') return createServerTrust(bundles, realm)
  return createSvidTrust(new Map([...bundles].filter(([trustDomain]) => trustDomains.includes(trustDomain))))
}

// OpenSSL has demands of its own, also on certificates of our chain that no path needs. What a server cannot take must
// not come as far as a server: its exception there would end the process.
function checkServable(accepted: Accepted): void {
  try {
    createSecureContext(createTlsOptions(accepted, 'TLSv1.3'))
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause)
    const message = `OpenSSL refuses to present our own certificate: found ${found}, expected a chain of what peers need and no more`
    throw new SourceError('update_refused', message, { cause })
  }
}

function describeExpiry(expiresAt: number): Pick<SourceError, 'code' | 'message'> {
  const message = `our own certificate expired at ${new Date(expiresAt).toISOString()}, and the source offers no other`
  return { code: 'source_expired', message }
}

function toSourceError(cause: unknown): SourceError {
  if (cause instanceof SourceError) return cause
  const detail = cause instanceof Error ? cause.message : 'it threw something that is no error'
  return new SourceError('source_empty', `the source has no material: ${detail}`, { cause })
}
