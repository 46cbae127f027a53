import { createHash } from 'node:crypto'
import type { Certificate } from '../certificate/certificate.ts'
import type { Crl } from '../certificate/crl.ts'
import { isSameName } from '../certificate/distinguished-name.ts'
import { verifyCrlSignature } from '../certificate/verify-crl.ts'
import { isPossiblyIssuedBy, recallIssuedBy } from '../certificate/verify-once.ts'
import { CertificateError } from '../errors.ts'
import type { BundleFault } from './bundle-fault.ts'
import { runAtOnce, runInTurns } from './in-turns.ts'
import type { PublishedCrl } from './published-crl.ts'
import { findSuperseded } from './superseded-crls.ts'

/** The revocation lists of one issuer. */
export interface IssuedCrls {
  /** Includes stale lists. */
  readonly crls: readonly Crl[]
  /** Whether the issuer signed lists that were not read or cannot be read. They could revoke any certificate. */
  readonly isIncomplete: boolean
  /** Whether the issuer signed a list without the key usage that allows it. */
  readonly isBarred: boolean
}

interface Others {
  /** The faults of lists that were left out. */
  readonly faults?: readonly BundleFault[]
  /** Lists that cannot be read, or are read only for a certificate whose key signed them. */
  readonly leftOut?: readonly PublishedCrl[]
  /** Epoch milliseconds: when the lists were received. Superseded lists are recognized as of then. */
  readonly now?: number
}

/** The certificate revocation lists of a bundle. Immutable except for a cache of its own checks. */
export class RevocationLists {
  readonly crls: readonly Crl[]
  /** Whether every certificate needs a list of its issuer, even if that issuer has none. */
  readonly areRequired: boolean
  /** Equal for the same lists in any order with the same requirement. Empty without lists and requirement. */
  readonly fingerprint: string
  /** The faults of lists that were left out. */
  readonly faults: readonly BundleFault[]
  readonly #leftOut: readonly PublishedCrl[]
  readonly #now: number
  /** Lists that are read late, and their total size in bytes. */
  readonly #late = new Set<PublishedCrl>()
  #lateBytes = 0
  #reading: Promise<void> = Promise.resolve()
  readonly #issued = new Map<string, IssuedCrls>()

  constructor(crls: readonly Crl[], areRequired: boolean, { faults = [], leftOut = [], now = -Infinity }: Others = {}) {
    this.crls = Object.freeze([...new Map(crls.map((crl) => [crl.sha256, crl])).values()])
    this.areRequired = areRequired
    this.#leftOut = leftOut
    this.#now = now
    const isEmpty = this.crls.length + leftOut.length === 0 && !areRequired
    this.fingerprint = isEmpty ? '' : fingerprintLists([...this.crls, ...leftOut], areRequired)
    this.faults = faults
    Object.freeze(this)
  }

  /**
   * Finds the lists that the owner of this certificate issued. Each signature is verified once, even if it is invalid.
   * Limits the work of one call. If more is left, the result is incomplete, and a later call goes on.
   */
  findIssued(issuer: Certificate): IssuedCrls {
    const known = this.#issued.get(issuer.sha256)
    if (known !== undefined) return known
    if (this.#issued.size === maxIssuers) this.#issued.clear()
    const { isFinal, ...found } = this.#find(issuer)
    if (isFinal) this.#issued.set(issuer.sha256, found)
    return found
  }

  #find(issuer: Certificate): IssuedCrls & { readonly isFinal: boolean } {
    const { signed, isAll } = findSigned(this.#leftOut, issuer)
    const early = this.crls.filter((crl) => verifyCrlSignature(crl, issuer) !== 'foreign')
    const isSuperseded = findSuperseded([...early, ...signed.map(({ origin = {} }) => origin)], this.#now)
    const remaining = signed.filter(({ origin = {} }) => !isSuperseded(origin))
    const isReading = this.#readLate(remaining)
    const late = remaining.flatMap(({ content }) => (content === undefined || isError(content) ? [] : [content]))
    const verdicts = [...early, ...late].map((crl) => [crl, verifyCrlSignature(crl, issuer)] as const)
    const crls = verdicts.flatMap(([crl, verdict]) => (verdict === 'valid' ? [crl] : []))
    const isBarred = verdicts.some(([, verdict]) => verdict === 'not_entitled')
    const isIncomplete = !isAll || late.length < remaining.length
    return { crls, isIncomplete, isBarred, isFinal: isAll && !isReading }
  }

  /**
   * Reads the small lists, and starts to read the others in turns, so that foreign lists cannot keep those of a verified
   * path from being read. Returns true while they are being read.
   */
  #readLate(lists: readonly PublishedCrl[]): boolean {
    let bytes = 0
    for (const list of lists) {
      if (list.content !== undefined || this.#late.has(list)) continue
      bytes += list.der.length
      if (bytes <= maxBytesAtOnce) runAtOnce(list.read())
      else if (this.#lateBytes + list.der.length <= maxLateBytes) {
        this.#late.add(list)
        this.#lateBytes += list.der.length
        // One after the other, because each of them takes a part of every turn.
        this.#reading = this.#reading.then(() => runInTurns(list.read()))
      }
    }
    return lists.some((list) => list.content === undefined && this.#late.has(list))
  }
}

function isError(content: Crl | CertificateError): content is CertificateError {
  return content instanceof CertificateError
}

/** The maximum number of issuers whose lists are cached. */
const maxIssuers = 256

/** The maximum number of signatures that are checked for one issuer. A handshake waits for this. */
const maxChecks = 256

/** The maximum size of lists that are read at once, in bytes. A handshake waits for this. */
const maxBytesAtOnce = 16 * 1024

/** The maximum total size of lists that are read late for one trust domain, in bytes. */
const maxLateBytes = 4 * 1024 * 1024

/** Finds the left-out lists that the key of this issuer signed, and whether every candidate was checked. */
function findSigned(
  leftOut: readonly PublishedCrl[],
  issuer: Certificate,
): { readonly signed: readonly PublishedCrl[]; readonly isAll: boolean } {
  const signed: PublishedCrl[] = []
  let checks = 0
  for (const list of leftOut) {
    const { origin } = list
    if (origin === undefined || !isSameName(origin.issuer, issuer.subject)) continue
    // Lists under the name of an authority were checked before, so that forged ones do not use up the limit.
    if (recallIssuedBy(origin.signature, issuer) === undefined) checks += 1
    if (checks > maxChecks) return { signed, isAll: false }
    if (isPossiblyIssuedBy(origin.signature, issuer)) signed.push(list)
  }
  return { signed, isAll: true }
}

function fingerprintLists(lists: readonly { readonly sha256: string }[], areRequired: boolean): string {
  const content = lists.map(({ sha256 }) => sha256).toSorted()
  return createHash('sha256')
    .update(`${areRequired ? 'all' : 'none'}\n${content.join('\n')}`)
    .digest('hex')
}
