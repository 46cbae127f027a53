import { type Certificate, SpiffeId } from '@countersign/spiffe'
import { isX509Svid } from '@countersign/spiffe/internal'
import { BoundedMap, type MapBounds } from '../connection/bounded-map.ts'
import type { TrustState } from '../connection/material-gate.ts'
import type { PeerVerdicts } from '../connection/peer-verdicts.ts'
import type { Proof } from '../connection/proof.ts'
import type { CarriedCredentials } from './carried-credentials.ts'
import type { CredentialRefusal } from './credential-refusal.ts'
import type { CertificateClaim, ForwardedClaim, ForwardedReader } from './forwarded/forwarded-claim.ts'
import type { ListedProxy } from './proxies.ts'

/** The connection of a listed proxy. */
export interface Forwarder {
  readonly proxy: ListedProxy
  readonly proof: Proof
}

/** What is needed to verify forwarded identities. */
export interface ForwardedPolicy {
  readonly reader: ForwardedReader
  readonly verdicts: PeerVerdicts
  /** Completes the chains of proxies that forward only the leaf. */
  readonly intermediates: readonly Certificate[]
  /** The trust domains whose callers are accepted. */
  readonly trustDomains: readonly string[]
  /** The SPIFFE ID of this service, which no proxy may forward. */
  readonly own: SpiffeId
}

/** The facts about a forwarded identity. */
interface ForwardedFacts {
  readonly spiffeId: SpiffeId
  /** The verified path of the caller's certificate. Empty if the proxy forwarded only a name. */
  readonly path: readonly Certificate[]
  readonly expiresAt: number
  readonly forwarder: Forwarder | undefined
}

let mint: (facts: ForwardedFacts) => ForwardedIdentity

/** The identity of a caller that a proxy forwarded. Only `ForwardedVerifier` creates one. */
export class ForwardedIdentity {
  readonly spiffeId: SpiffeId
  /** The verified path of the caller's certificate. Empty if the proxy forwarded only a name. */
  readonly path: readonly Certificate[]
  /** Epoch milliseconds: when the first certificate of the caller's path, or of the proxy's, expires. */
  readonly expiresAt: number
  /** The listed proxy that forwarded it. Undefined if any peer may assert an identity. */
  readonly forwarder: Forwarder | undefined

  private constructor({ spiffeId, path, expiresAt, forwarder }: ForwardedFacts) {
    this.spiffeId = spiffeId
    this.path = path
    this.expiresAt = expiresAt
    this.forwarder = forwarder
    Object.freeze(this)
  }

  static {
    mint = (facts: ForwardedFacts): ForwardedIdentity => new ForwardedIdentity(facts)
  }
}

/**
 * Verifies the identities that proxies forward. A forwarded certificate is verified like that of a connection. Verified
 * claims are kept by the bytes of their headers, never by connection, because one connection of a proxy carries the
 * requests of many callers.
 */
export class ForwardedVerifier {
  readonly #policy: ForwardedPolicy
  readonly #kept = new BoundedMap<Kept>(keptBounds)

  constructor(policy: ForwardedPolicy) {
    this.#policy = policy
  }

  /** Returns whether the headers of a request state an identity, acceptable or not. */
  isClaimed(carried: CarriedCredentials, forwarder: Forwarder | undefined): boolean {
    return this.#read(carried, this.#keyOf(carried, forwarder)).kind !== 'none'
  }

  /** Verifies the identity that the headers of a request state, as of `now` (epoch milliseconds). */
  verify(
    carried: CarriedCredentials,
    forwarder: Forwarder | undefined,
    trustState: TrustState,
    now: number,
  ): ForwardedIdentity | CredentialRefusal {
    const key = this.#keyOf(carried, forwarder)
    const kept = this.#kept.get(key)
    if (kept !== undefined && isStillProven(kept, forwarder, trustState, now)) {
      this.#kept.refresh(key)
      return kept.identity
    }
    const claim = this.#read(carried, key)
    const identity = this.#prove(claim, forwarder, trustState, now)
    if (identity instanceof ForwardedIdentity) {
      this.#kept.set(key, { claim, identity, trust: trustState.trust }, 2 * key.length + sizeOf(claim))
    } else this.#kept.delete(key)
    return identity
  }

  #prove(
    claim: ForwardedClaim,
    forwarder: Forwarder | undefined,
    trustState: TrustState,
    now: number,
  ): ForwardedIdentity | CredentialRefusal {
    if (claim.kind === 'certificate') return this.#proveCertificate(claim, forwarder, trustState, now)
    if (claim.kind === 'name') return this.#proveName(claim.spiffeId, claim.by, forwarder)
    return refuse(claim.kind === 'malformed' ? claim.detail : 'the headers state no identity')
  }

  #proveName(
    name: string,
    by: string | undefined,
    forwarder: Forwarder | undefined,
  ): ForwardedIdentity | CredentialRefusal {
    const spiffeId = SpiffeId.parse(name)
    const { trustDomains } = this.#policy
    if (spiffeId.path === '')
      return refuse('the SPIFFE ID has no path, so it names a trust domain and not a workload', name)
    if (!trustDomains.includes(spiffeId.trustDomain)) {
      return refuse(`callers of ${spiffeId.trustDomain} are not accepted; see trustDomains of createGuard`, name)
    }
    return this.#limit({ spiffeId, path: [], expiresAt: Number.MAX_SAFE_INTEGER, forwarder }, by)
  }

  #proveCertificate(
    { leaf, chain, by, spiffeId: stated }: CertificateClaim,
    forwarder: Forwarder | undefined,
    trustState: TrustState,
    now: number,
  ): ForwardedIdentity | CredentialRefusal {
    const { verdicts, intermediates } = this.#policy
    const verdict = verdicts.verifyForwarded([leaf, ...chain], intermediates, trustState, now)
    if (!verdict.ok) return refuse(`${verdict.reason}: ${verdict.detail}`, verdict.spiffeId)
    const { proof } = verdict
    if (!isX509Svid(proof)) return refuse('the forwarded certificate is not an X.509-SVID')
    const { spiffeId, path, expiresAt } = proof
    const name = spiffeId.toString()
    if (stated !== undefined && stated !== name) {
      return refuse('the headers state another SPIFFE ID than the forwarded certificate', name)
    }
    if (now >= expiresAt) {
      return {
        reason: 'identity_expired',
        detail: `the forwarded certificate expired at ${new Date(expiresAt).toISOString()}`,
        claimed: name,
      }
    }
    return this.#limit({ spiffeId, path, expiresAt, forwarder }, by)
  }

  // A forwarded certificate proves no possession of a key. What a proxy may forward is therefore limited.
  #limit(facts: ForwardedFacts, by: string | undefined): ForwardedIdentity | CredentialRefusal {
    const { spiffeId, forwarder, expiresAt } = facts
    const claimed = spiffeId.toString()
    if (forwarder === undefined) {
      if (claimed !== this.#policy.own.toString()) return mint(facts)
      return {
        reason: 'forwarding_not_allowed',
        detail: 'the headers state the SPIFFE ID of this service itself',
        claimed,
      }
    }
    const { proxy, proof } = forwarder
    if (by !== undefined && by !== proxy.id.toString()) {
      return {
        reason: 'forwarding_not_allowed',
        detail: 'the header was written by another proxy than the peer (By)',
        claimed,
      }
    }
    const detail = proxy.refuse(spiffeId)
    if (detail !== undefined) return { reason: 'forwarding_not_allowed', detail, claimed }
    return mint({ ...facts, expiresAt: Math.min(expiresAt, proof.expiresAt) })
  }

  #read(carried: CarriedCredentials, key: string): ForwardedClaim {
    return this.#kept.get(key)?.claim ?? this.#policy.reader.read((name) => carried.lines(name))
  }

  // Lines are joined by characters that no header can contain, so that no two requests have the same key.
  #keyOf(carried: CarriedCredentials, forwarder: Forwarder | undefined): string {
    let key = forwarder === undefined ? '' : forwarder.proxy.id.toString()
    for (const name of this.#policy.reader.headers) key += `\0${carried.lines(name).join('\n')}`
    return key
  }
}

interface Kept {
  readonly claim: ForwardedClaim
  readonly identity: ForwardedIdentity
  readonly trust: TrustState['trust']
}

const keptBounds: MapBounds = { entries: 4096, bytes: 16 * 1024 * 1024 }

// After other material was accepted, or if the clock was set back, it is verified again.
function isStillProven(
  { identity, trust }: Kept,
  forwarder: Forwarder | undefined,
  trustState: TrustState,
  now: number,
): boolean {
  const { expiresAt, path } = identity
  if (trust !== trustState.trust || identity.forwarder?.proof !== forwarder?.proof || now >= expiresAt) return false
  for (const { notBefore } of path) if (now < notBefore) return false
  return true
}

function refuse(detail: string, claimed?: string): CredentialRefusal {
  return { reason: 'forwarded_invalid', detail, claimed }
}

function sizeOf(claim: ForwardedClaim): number {
  if (claim.kind !== 'certificate') return ofClaim
  return claim.chain.reduce((sum, { length }) => sum + length, ofClaim + claim.leaf.length)
}

/** The size of an entry without its header lines and certificates, in bytes. */
const ofClaim = 1024
