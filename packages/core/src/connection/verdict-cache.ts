import { hash } from 'node:crypto'
import type { Certificate } from '@countersign/spiffe'
import { type PeerClaim, type PeerTrust, type PeerTrustVerdict, retainedBytes } from '@countersign/spiffe/internal'
import { BoundedMap, type MapBounds } from './bounded-map.ts'
import type { Proof } from './proof.ts'

/**
 * The limits of the cache: about 6 KiB for a verdict on an ordinary leaf, and as much for each of its intermediates.
 */
const verdictBounds: MapBounds = { entries: 4096, bytes: 32 * 1024 * 1024 }

/** Bytes of DER. A longer chain is verified each time, so that one peer cannot evict many others. */
const maxKeptBytes = 16 * 1024

/**
 * The limits for each trust domain. With more candidates, every new peer would be tried against many issuers in vain.
 */
const issuerBounds: MapBounds = { entries: 32, bytes: 1024 * 1024 }

/** A chain that may have been verified before. */
export interface KeptClaim extends Omit<PeerClaim, 'chain'> {
  readonly leafDer: Uint8Array
  /**
   * Returns the chain as DER, leaf first. Called only for a new leaf, because reading the chain from the socket is
   * expensive.
   */
  readonly readChain: () => readonly Uint8Array[]
  /** The other certificates that the peer presented, if they are already known. */
  readonly extras?: readonly Uint8Array[]
  readonly trust: PeerTrust<Proof>
}

/**
 * Verifies chains and caches the successful verdicts by the leaf's SHA-256 and the bundle object. Under the same
 * authorities, the same leaf needs no second signature check, only a comparison with the clock. Refusals are not
 * cached, so that unauthenticated clients cannot fill the memory. Uses at most 32 MiB, and 1 MiB for each trust domain
 * with intermediates.
 */
export class VerdictCache {
  readonly #kept: BoundedMap<Kept>
  // The intermediates of verified paths, because some Node versions do not expose those that a peer presents.
  readonly #issuers = new Map<string, BoundedMap<Certificate>>()
  #trust: PeerTrust<Proof> | undefined

  constructor(limit: number = verdictBounds.entries) {
    this.#kept = new BoundedMap({ ...verdictBounds, entries: limit })
  }

  /** The approximate size of the cached verdicts in bytes. */
  get bytes(): number {
    return this.#kept.bytes
  }

  /** The approximate size of the cached intermediates of a trust domain in bytes. */
  issuerBytesOf(trustDomain: string): number {
    return this.#issuers.get(trustDomain)?.bytes ?? 0
  }

  /** Returns the verdict on a chain, from the cache if possible. */
  verify(claim: KeptClaim): PeerTrustVerdict<Proof> {
    const { leafDer, trust, now } = claim
    const sha256 = hash('sha256', leafDer)
    this.#follow(trust)
    const kept = this.#kept.get(sha256)
    if (kept !== undefined && isWithinDates(kept.proof, now)) {
      const { proof: held, extras } = kept
      const proof = trust.holds(held) ? held : this.#keep(sha256, trust.carryOver(held), extras, trust)
      this.#kept.refresh(sha256)
      if (proof !== undefined) return { ok: true, proof }
    }
    // Newest first: if an issuer was renewed under the same name, its oldest certificates have expired.
    const known = (scope: string): readonly Certificate[] => [
      ...(claim.known?.(scope) ?? []),
      ...this.#readIssuers(scope),
    ]
    const chain = claim.readChain()
    const verdict = trust.verify({ chain, additional: claim.additional, known, now })
    // The cache would find it under this hash again.
    if (verdict.ok && verdict.proof.leaf.sha256 !== sha256) return otherLeaf
    if (verdict.ok) this.#keep(sha256, verdict.proof, claim.extras ?? listExtras(chain, verdict.proof), trust)
    else this.#kept.delete(sha256)
    return verdict
  }

  /**
   * Returns the certificates that a verified peer presented besides its path, as DER. Under other authorities they may
   * complete a path.
   */
  extrasOf({ leaf }: Proof): readonly Uint8Array[] {
    return this.#kept.get(leaf.sha256)?.extras ?? none
  }

  /** Verifies a proven peer again after a change of bundles. */
  verifyAgain(proof: Proof, claim: Omit<KeptClaim, 'leafDer' | 'readChain'>): PeerTrustVerdict<Proof> {
    const { leaf, path } = proof
    this.#follow(claim.trust)
    // The proof may have been evicted in the meantime, but the caller of this function still has it.
    if (!this.#kept.has(leaf.sha256)) this.#keep(leaf.sha256, proof, claim.extras ?? none, claim.trust)
    const chain = path.slice(0, -1)
    // Includes the old authority, because a new one may have cross-signed it.
    const additional = [...path.slice(-1), ...claim.additional]
    return this.verify({ ...claim, additional, leafDer: leaf.der, readChain: () => chain.map(({ der }) => der) })
  }

  #keep(
    sha256: string,
    proof: Proof | undefined,
    extras: readonly Uint8Array[],
    trust: PeerTrust<Proof>,
  ): Proof | undefined {
    if (proof === undefined) return undefined
    this.#kept.delete(sha256)
    const presented = proof.path.slice(0, -1)
    if (countBytes(extras) + countBytes(proof.path.map(({ der }) => der)) > maxKeptBytes) return proof
    const bytes = ofVerdict + countBytes(extras) + presented.reduce((sum, each) => sum + retainedBytes(each), 0)
    this.#kept.set(sha256, { proof, extras }, bytes)
    const scope = trust.trustDomainOf(proof)
    // Kept apart by trust domain, so that one cannot evict the issuers of another.
    const issuers = this.#issuers.get(scope) ?? new BoundedMap<Certificate>(issuerBounds)
    this.#issuers.set(scope, issuers)
    for (const issuer of presented.slice(1)) issuers.set(issuer.sha256, issuer, retainedBytes(issuer))
    return proof
  }

  // A proof references the whole bundle that proved it. Without this, old verdicts would keep many bundles in memory.
  #follow(trust: PeerTrust<Proof>): void {
    if (this.#trust === trust) return
    this.#trust = trust
    this.#kept.updateAll((kept) => {
      if (trust.holds(kept.proof)) return kept
      const proof = trust.carryOver(kept.proof)
      return proof === undefined ? undefined : { ...kept, proof }
    })
  }

  #readIssuers(scope: string): readonly Certificate[] {
    return this.#issuers.get(scope)?.values().toReversed() ?? []
  }
}

// If the clock was set back, a certificate may not be valid yet.
function isWithinDates({ path, expiresAt }: Proof, now: number): boolean {
  return now < expiresAt && path.every(({ notBefore }) => now >= notBefore)
}

interface Kept {
  readonly proof: Proof
  readonly extras: readonly Uint8Array[]
}

const otherLeaf: PeerTrustVerdict<Proof> = Object.freeze({
  ok: false,
  reason: 'certificate_mismatch',
  detail: 'Node reports the chain of a different certificate than that of the handshake',
})

const none: readonly Uint8Array[] = Object.freeze([])

function listExtras(chain: readonly Uint8Array[], { path }: Proof): readonly Uint8Array[] {
  const extras = chain.filter((shown) => !path.some(({ der }) => der.equals(shown)))
  return extras.length === 0 ? none : extras
}

function countBytes(certificates: readonly Uint8Array[]): number {
  return certificates.reduce((sum, { length }) => sum + length, 0)
}

/** The size of a verdict without its certificates, in bytes. */
const ofVerdict = 512
