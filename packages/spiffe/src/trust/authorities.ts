import { createHash, hash } from 'node:crypto'
import type { Certificate } from '../certificate/certificate.ts'
import type { CertificateCache } from '../certificate/certificate-cache.ts'
import { tooManyPieces } from '../certificate/der.ts'
import { describeCertificate } from '../certificate/describe.ts'
import { endOfValidity } from '../certificate/path-checks.ts'
import { describeOtherDer, type EncodedCertificate, splitCertificates } from '../certificate/pem.ts'
import { isStrongKey } from '../certificate/public-key.ts'
import { CertificateError } from '../errors.ts'
import { type BundleFault, toError } from './bundle-fault.ts'

/** The maximum number of X.509 authorities in a bundle. A hostile chain can make us try each of them. */
const maxBundleAuthorities = 256

/**
 * The maximum number of distinct certificates decoded for one bundle. Twice the limit on authorities, to leave room for
 * unusable ones: SPIRE publishes an authority for 24 hours after it has expired.
 */
export const maxBundleCertificates = 512

/** The maximum number of certificates decoded for all bundles of one update. */
export const maxCertificates = 4096

/** The maximum size of a bundle in bytes. PEM may contain several kilobytes of text around each certificate. */
export const maxBundleBytes: number = 4 * 1024 * 1024

/** The maximum total size of all authority names in bytes. TLS sends them in one list of at most 64 KiB. */
const maxAuthorityNameBytes = 48 * 1024

/** The time at which a bundle is read, and the cache of decoded certificates. */
export interface ReadContext {
  /**
   * Epoch milliseconds. If undefined, no certificate is left out because of its dates, which are checked again with
   * every chain.
   */
  readonly now: number | undefined
  readonly cache: CertificateCache
}

/** The usable authorities of a bundle, and the faults of the others. */
export interface SelectedAuthorities {
  readonly authorities: readonly Certificate[]
  readonly faults: readonly BundleFault[]
}

/**
 * Splits a bundle of PEM or concatenated DER into its distinct certificates.
 *
 * @throws {CertificateError} as `splitCertificates`, `bundle_empty` if there is no certificate, `bundle_too_large`
 */
export function splitBundle(name: string, input: string | Uint8Array): readonly PublishedCertificate[] {
  checkSize(name, input)
  const format = describeOtherDer(input)
  const start = format === undefined ? '' : `found ${format}, expected certificates: `
  try {
    return listDistinct(splitCertificates(input).map((der, index) => publish(`${start}certificate ${index + 1}`, der)))
  } catch (cause) {
    if (!(cause instanceof CertificateError)) throw cause
    if (cause.value === tooManyPieces) refuseSize(name, 'thousands of pieces', maxBundleCertificates)
    const code = cause.code === 'certificate_missing' ? 'bundle_empty' : cause.code
    throw new CertificateError(code, `bundle of ${name}: ${cause.message}`, { value: name, cause })
  }
}

/**
 * Rejects a bundle that has too many bytes, before any of it is parsed.
 *
 * @throws {CertificateError} `bundle_too_large`
 */
export function checkSize(name: string, input: string | Uint8Array): void {
  const size = typeof input === 'string' ? Buffer.byteLength(input) : input.byteLength
  if (size > maxBundleBytes) refuseSize(name, `${size} bytes`, maxBundleBytes)
}

/** A certificate as published in a bundle: its DER, or the error that explains why it has none. */
export interface PublishedCertificate {
  /** The position in the bundle, for messages. */
  readonly place: string
  readonly der: EncodedCertificate
  /** SHA-256 of the DER in lower-case hex, or the place if there is no DER. */
  readonly sha256: string
}

/** Returns a published certificate with its place and its hash. */
export function publish(place: string, der: EncodedCertificate): PublishedCertificate {
  return { place, der, sha256: der instanceof CertificateError ? place : hash('sha256', der) }
}

/**
 * Removes duplicates by comparing bytes, before anything is decoded. Thousands of copies then cost only one hash each.
 */
export function listDistinct(published: readonly PublishedCertificate[]): readonly PublishedCertificate[] {
  const distinct = new Map<string, PublishedCertificate>()
  for (const each of published) if (!distinct.has(each.sha256)) distinct.set(each.sha256, each)
  return [...distinct.values()]
}

/**
 * Selects the usable authorities of one bundle, without duplicates. Certificates that cannot be used (unreadable, not a
 * CA, weak key, expired) become faults.
 *
 * @param name the owner of the bundle, for messages
 * @throws {CertificateError} `bundle_too_large` above a limit; the error of the first certificate if none can be read
 */
export function selectAuthorities(
  name: string,
  published: readonly PublishedCertificate[],
  context: ReadContext,
): SelectedAuthorities {
  const faults: BundleFault[] = []
  const unreadable = (place: string, error: unknown): readonly [] => {
    if (!(error instanceof CertificateError)) throw error
    const { code } = error
    faults.push({ origin: 'content', trustDomain: name, code, detail: `${place}: ${error.message}`, kind: code })
    return []
  }
  const leaveOut = (authority: Certificate, finding: string): false => {
    const detail = `${describeCertificate(authority)} ${finding}`
    const kind = `authority_unusable ${finding}`
    faults.push({ origin: 'content', trustDomain: name, code: 'authority_unusable', detail, kind })
    return false
  }

  const distinct = listDistinct(published)
  checkNumber(name, distinct.length, context.cache)
  const decoded = distinct.flatMap(({ place, sha256, der }) => {
    try {
      return der instanceof CertificateError ? unreadable(place, der) : context.cache.decode(sha256, der)
    } catch (error) {
      return unreadable(place, error)
    }
  })
  const [unread] = faults
  if (decoded.length === 0 && unread !== undefined) throw toError(name, unread)
  const usable = decoded.filter((authority) => {
    const finding = findUnusable(authority, context.now)
    return finding === undefined || leaveOut(authority, finding)
  })
  const { now = Date.now() } = context
  const valid = usable.filter((authority) => now < endOfValidity(authority))
  if (valid.length > maxBundleAuthorities) refuseSize(name, `${valid.length} authorities`, maxBundleAuthorities)
  const confirmed = usable.flatMap((authority) => {
    try {
      return context.cache.confirm(authority)
    } catch (error) {
      return unreadable(describeCertificate(authority), error)
    }
  })
  const nameBytes = confirmed.reduce((sum, { subject }) => sum + subject.der.length, 0)
  if (nameBytes > maxAuthorityNameBytes)
    refuseSize(name, `${nameBytes} bytes of authority names`, maxAuthorityNameBytes)
  return { authorities: Object.freeze(confirmed), faults: Object.freeze(faults) }
}

/** Returns a hash in lower-case hex. It is equal for the same name and the same authorities in any order. */
export function fingerprintAuthorities(name: string, authorities: readonly Certificate[]): string {
  const content = authorities.map(({ sha256 }) => sha256).toSorted()
  return createHash('sha256')
    .update(`${name}\n${content.join('\n')}`)
    .digest('hex')
}

function checkNumber(name: string, distinct: number, cache: CertificateCache): void {
  if (distinct > maxBundleCertificates) {
    refuseSize(name, `${distinct} different certificates`, maxBundleCertificates)
  }
  const total = cache.count(distinct)
  if (total > maxCertificates) refuseSize(name, `${total} certificates in all bundles together`, maxCertificates)
}

/** Returns why an authority is unusable, or undefined if it is usable (X509-SVID §4.1, §4.3). */
function findUnusable(authority: Certificate, now: number | undefined): string | undefined {
  if (authority.basicConstraints?.cA !== true) return 'is not a CA, expected basicConstraints with cA'
  if (authority.keyUsage?.usages.has('keyCertSign') === false) return 'has a key usage without keyCertSign'
  if (!isStrongKey(authority.keyInfo)) return 'has a weak or unsupported key'
  return now !== undefined && now >= endOfValidity(authority) ? 'has expired' : undefined
}

function refuseSize(name: string, found: string, most: number): never {
  const message = `bundle of ${name}: found ${found}, expected at most ${most}`
  throw new CertificateError('bundle_too_large', message, { value: name })
}
