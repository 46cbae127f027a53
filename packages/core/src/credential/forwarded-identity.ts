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
  readonly #kept = new BoundedMap<StatedIdentity>(keptBounds)

  constructor(policy: ForwardedPolicy) {
    this.#policy = policy
  }

  /** Returns what the headers of a request state about its caller. Nothing of it is verified. */
  inspect(carried: CarriedCredentials): StatedIdentity {
    const kept = this.#kept.get(carried.identityKey)
    if (kept?.isOf(carried) === true) return kept
    return new StatedIdentity(
      carried,
      this.#policy.reader.read((name) => carried.lines(name)),
    )
  }

  /** Verifies the identity that a request states, as of `now` (epoch milliseconds). */
  verify(
    stated: StatedIdentity,
    forwarder: Forwarder | undefined,
    trustState: TrustState,
    now: number,
  ): ForwardedIdentity | CredentialRefusal {
    const proven = stated.proven.get(forwarder?.proof)
    if (proven !== undefined && isStillProven(proven, trustState, now)) {
      this.#kept.refresh(stated.key)
      return proven.identity
    }
    const identity = this.#prove(stated.claim, forwarder, trustState, now)
    if (!(identity instanceof ForwardedIdentity)) {
      this.#kept.delete(stated.key)
      return identity
    }
    // The same caller may come through several proxies, whose certificates are renewed.
    if (stated.proven.size >= mostForwarders) stated.proven.clear()
    stated.proven.set(forwarder?.proof, { identity, trust: trustState.trust })
    this.#kept.set(stated.key, stated, stated.bytes)
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
      return refuse('the headers and the forwarded certificate state different SPIFFE IDs', name)
    }
    // Not `identity_expired`, which is about the peer and closes its connection.
    if (now >= expiresAt) {
      return refuse(`expired: the forwarded certificate expired at ${new Date(expiresAt).toISOString()}`, name)
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
        detail: 'the header was written by a proxy that is not the peer (By)',
        claimed,
      }
    }
    const detail = proxy.refuse(spiffeId)
    if (detail !== undefined) return { reason: 'forwarding_not_allowed', detail, claimed }
    return mint({ ...facts, expiresAt: Math.min(expiresAt, proof.expiresAt) })
  }
}

/** What the headers of a request state about its caller, and what was proven of it. */
export class StatedIdentity {
  readonly key: string
  readonly claim: ForwardedClaim
  /** By the proof of the proxy. */
  readonly proven: Map<Proof | undefined, Proven> = new Map()
  readonly #lines: readonly (readonly string[])[]

  constructor(carried: CarriedCredentials, claim: ForwardedClaim) {
    this.key = carried.identityKey
    this.claim = claim
    this.#lines = carried.identityLines
  }

  /** Returns whether another request states the same. */
  isOf(carried: CarriedCredentials): boolean {
    return carried.hasIdentity(this.#lines)
  }

  /** The approximate size, in bytes. */
  get bytes(): number {
    const ofLines = this.#lines.flat().reduce((sum, { length }) => sum + 2 * length, ofClaim)
    if (this.claim.kind !== 'certificate') return ofLines
    return this.claim.chain.reduce((sum, { length }) => sum + length, ofLines + this.claim.leaf.length)
  }
}

interface Proven {
  readonly identity: ForwardedIdentity
  readonly trust: TrustState['trust']
}

const keptBounds: MapBounds = { entries: 4096, bytes: 16 * 1024 * 1024 }
const mostForwarders = 8

// After other material was accepted, or if the clock was set back, it is verified again.
function isStillProven({ identity, trust }: Proven, trustState: TrustState, now: number): boolean {
  const { expiresAt, path } = identity
  if (trust !== trustState.trust || now >= expiresAt) return false
  for (const { notBefore } of path) if (now < notBefore) return false
  return true
}

function refuse(detail: string, claimed?: string): CredentialRefusal {
  return { reason: 'forwarded_invalid', detail, claimed }
}

/** The size of an entry without its header lines and certificates, in bytes. */
const ofClaim = 1024
