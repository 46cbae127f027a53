import { hash } from 'node:crypto'
import type { Certificate } from '@countersign/spiffe'
import { type PeerClaim, type PeerTrust, type PeerTrustVerdict, retainedBytes } from '@countersign/spiffe/internal'
import { BoundedMap, type MapBounds } from './bounded-map.ts'
import type { Proof } from './proof.ts'

/** The verdicts that are kept: about 6 KiB each for an ordinary leaf and as much for each of its intermediates. */
const verdictBounds: MapBounds = { entries: 4096, bytes: 32 * 1024 * 1024 }

/** A longer chain, in bytes of DER, is verified each time, so that no peer's takes the place of many others. */
const maxKeptBytes = 16 * 1024

/** Of each trust domain. More candidates besides the presented ones would be tried in vain for every new peer. */
const issuerBounds: MapBounds = { entries: 32, bytes: 1024 * 1024 }

/** A chain that may have been verified before. */
export interface KeptClaim extends Omit<PeerClaim, 'chain'> {
  readonly leafDer: Uint8Array
  /** DER, leaf first; asked for only when the leaf is new, because reading it from the socket is dear. */
  readonly readChain: () => readonly Uint8Array[]
  /** What was presented besides, where that is known from before. */
  readonly extras?: readonly Uint8Array[]
  readonly trust: PeerTrust<Proof>
}

/**
 * Verifies chains and remembers those that passed, by the leaf's SHA-256 and the bundle object: under the same
 * authorities the same leaf needs no second signature check, only a look at the clock. Refusals are not kept, so that
 * strangers cannot fill the memory with them. Takes 32 MiB at most, and 1 MiB for each trust domain with intermediates.
 */
export class VerdictCache {
  readonly #kept: BoundedMap<Kept>
  // The intermediates of verified paths: some Node versions do not show those that a peer presents.
  readonly #issuers = new Map<string, BoundedMap<Certificate>>()
  #trust: PeerTrust<Proof> | undefined

  constructor(limit: number = verdictBounds.entries) {
    this.#kept = new BoundedMap({ ...verdictBounds, entries: limit })
  }

  /** About how many bytes the verdicts take. */
  get bytes(): number {
    return this.#kept.bytes
  }

  /** The verdict on a chain, from memory where it can be. */
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
    // The latest first: of an issuer that is renewed under one name, the oldest ones have expired.
    const known = (scope: string): readonly Certificate[] => [
      ...(claim.known?.(scope) ?? []),
      ...this.#readIssuers(scope),
    ]
    const chain = claim.readChain()
    const verdict = trust.verify({ chain, additional: claim.additional, known, now })
    // It is under this name that it would be found again.
    if (verdict.ok && verdict.proof.leaf.sha256 !== sha256) return otherLeaf
    if (verdict.ok) this.#keep(sha256, verdict.proof, claim.extras ?? listExtras(chain, verdict.proof), trust)
    else this.#kept.delete(sha256)
    return verdict
  }

  /** What a verified peer presented besides its path: under other authorities it may lead to one of them. DER. */
  extrasOf({ leaf }: Proof): readonly Uint8Array[] {
    return this.#kept.get(leaf.sha256)?.extras ?? none
  }

  /** Verifies again what was verified before, after a change of bundles. */
  verifyAgain(proof: Proof, claim: Omit<KeptClaim, 'leafDer' | 'readChain'>): PeerTrustVerdict<Proof> {
    const { leaf, path } = proof
    this.#follow(claim.trust)
    // It may have fallen out of memory since; what it proved is known all the same.
    if (!this.#kept.has(leaf.sha256)) this.#keep(leaf.sha256, proof, claim.extras ?? none, claim.trust)
    const chain = path.slice(0, -1)
    // With the old authority: a new one may have cross-signed it.
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
    // Apart by trust domain, so that none can push out those of another.
    const issuers = this.#issuers.get(scope) ?? new BoundedMap<Certificate>(issuerBounds)
    this.#issuers.set(scope, issuers)
    for (const issuer of presented.slice(1)) issuers.set(issuer.sha256, issuer, retainedBytes(issuer))
    return proof
  }

  // A proof holds the whole bundle under which it was reached: without this, one verdict each on many updates would keep
  // many bundles in memory.
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

// A clock that was set back finds certificates of the future.
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
  detail: 'Node shows a chain of another certificate than that of the handshake',
})

const none: readonly Uint8Array[] = Object.freeze([])

function listExtras(chain: readonly Uint8Array[], { path }: Proof): readonly Uint8Array[] {
  const extras = chain.filter((shown) => !path.some(({ der }) => der.equals(shown)))
  return extras.length === 0 ? none : extras
}

function countBytes(certificates: readonly Uint8Array[]): number {
  return certificates.reduce((sum, { length }) => sum + length, 0)
}

/** Bytes of a verdict besides its certificates. */
const ofVerdict = 512
