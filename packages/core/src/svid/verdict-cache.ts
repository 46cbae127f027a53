import { createHash } from 'node:crypto'
import type { Certificate } from '../certificate/certificate.ts'
import type { X509Bundle } from '../trust/bundle.ts'
import { type SvidVerdict, verifySvid } from './verify-svid.ts'
import type { X509Svid } from './x509-svid.ts'

/** The most verdicts that are kept; about 4 KiB each. */
const maxKeptVerdicts = 4096

/** A longer chain, in bytes, is verified each time: 4096 verdicts on the longest allowed would take gigabytes. */
const maxKeptBytes = 16 * 1024

/** A chain that may have been verified before. */
export interface KeptClaim {
  readonly leafDer: Uint8Array
  /** DER, leaf first; asked for only when the leaf is new, because reading it from the socket is dear. */
  readonly readChain: () => readonly Uint8Array[]
  readonly bundles: ReadonlyMap<string, X509Bundle>
  readonly additional: readonly Certificate[]
  /** Epoch milliseconds. */
  readonly now: number
}

/**
 * Verifies chains and remembers those that passed, by the leaf's SHA-256 and the bundle object: under the same
 * authorities the same leaf needs no second signature check, only a look at the clock. Refusals are not kept, so that
 * nobody can fill the memory with them.
 */
export class VerdictCache {
  readonly #svids = new Map<string, X509Svid>()
  // The intermediates of verified paths: some Node versions do not show those that a peer presents.
  readonly #issuers = new Map<string, Map<string, Certificate>>()

  readonly #limit: number

  constructor(limit: number = maxKeptVerdicts) {
    this.#limit = limit
  }

  /** The verdict on a chain, from memory where it can be. */
  verify(claim: KeptClaim): SvidVerdict {
    const { leafDer, bundles, now } = claim
    const sha256 = createHash('sha256').update(leafDer).digest('hex')
    const kept = this.#svids.get(sha256)
    if (kept !== undefined && bundles.get(kept.spiffeId.trustDomain) === kept.bundle && now < kept.expiresAt) {
      return { ok: true, svid: kept }
    }
    // The latest first: of an issuer that is renewed under one name, the oldest ones have expired.
    const additional = [...claim.additional, ...this.#readIssuers()]
    const verdict = verifySvid({ chain: claim.readChain(), bundles, additional, now })
    if (verdict.ok) this.#keep(sha256, verdict.svid)
    else this.#svids.delete(sha256)
    return verdict
  }

  /** Verifies again what was verified before, after a change of bundles. */
  verifyAgain(svid: X509Svid, claim: Omit<KeptClaim, 'leafDer' | 'readChain'>): SvidVerdict {
    const chain = svid.path.slice(0, -1)
    // With the old authority: a new one may have cross-signed it.
    const additional = [...svid.path.slice(-1), ...claim.additional]
    return this.verify({ ...claim, additional, leafDer: svid.leaf.der, readChain: () => chain.map(({ der }) => der) })
  }

  #keep(sha256: string, svid: X509Svid): void {
    this.#svids.delete(sha256)
    if (svid.path.reduce((sum, { der }) => sum + der.length, 0) > maxKeptBytes) return
    keepBounded(this.#svids, sha256, svid, this.#limit)
    const { trustDomain } = svid.spiffeId
    // Apart by trust domain, so that none can push out those of another.
    const issuers = this.#issuers.get(trustDomain) ?? new Map<string, Certificate>()
    this.#issuers.set(trustDomain, issuers)
    for (const issuer of svid.path.slice(1, -1)) keepBounded(issuers, issuer.sha256, issuer, maxKeptIssuers)
  }

  #readIssuers(): readonly Certificate[] {
    return [...this.#issuers.values()].flatMap((issuers) => [...issuers.values()].toReversed())
  }
}

/** Candidates besides the presented ones; more would be tried in vain for every new peer. */
const maxKeptIssuers = 32

function keepBounded<Value>(kept: Map<string, Value>, key: string, value: Value, most: number): void {
  for (const oldest of kept.keys()) {
    if (kept.size < most || kept.has(key)) break
    kept.delete(oldest)
  }
  kept.set(key, value)
}
