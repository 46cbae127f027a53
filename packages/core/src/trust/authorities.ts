import { createHash } from 'node:crypto'
import type { Certificate } from '../certificate/certificate.ts'
import { describeCertificate } from '../certificate/describe.ts'
import { parseCertificates } from '../certificate/pem.ts'
import { isStrongKey } from '../certificate/public-key.ts'
import { CertificateError } from '../errors.ts'

/** The most X.509 authorities that a bundle may hold; each is a candidate that a hostile chain can make us try. */
const maxBundleAuthorities = 32

/**
 * Reads X.509 authorities from PEM or concatenated DER, each once; `name` says in errors whose they are.
 *
 * @throws {CertificateError} `bundle_empty` when there is none, otherwise as `parseCertificates` and `checkAuthorities`
 */
export function parseAuthorities(name: string, input: string | Uint8Array): readonly Certificate[] {
  try {
    return checkAuthorities(name, parseCertificates(input))
  } catch (cause) {
    if (!(cause instanceof CertificateError) || cause.value === name) throw cause
    const code = cause.code === 'certificate_missing' ? 'bundle_empty' : cause.code
    throw new CertificateError(code, `bundle of ${name}: ${cause.message}`, { value: name, cause })
  }
}

/**
 * Leaves out repetitions, and refuses what no bundle may hold.
 *
 * @throws {CertificateError} `bundle_too_large`, or `authority_unusable` for a certificate that can issue nothing: no
 * CA, no keyCertSign (X509-SVID §4.1, §4.3), a weak key
 */
export function checkAuthorities(name: string, certificates: readonly Certificate[]): readonly Certificate[] {
  const authorities = [...new Map(certificates.map((authority) => [authority.sha256, authority])).values()]
  checkAuthorityCount(name, authorities.length)
  for (const authority of authorities) checkAuthority(name, authority)
  return Object.freeze(authorities)
}

/**
 * Refuses more authorities than a bundle may hold; for those who can count them before they decode them.
 *
 * @throws {CertificateError} `bundle_too_large`
 */
export function checkAuthorityCount(name: string, count: number): void {
  if (count <= maxBundleAuthorities) return
  throw new CertificateError(
    'bundle_too_large',
    `bundle of ${name}: found ${count} authorities, expected at most ${maxBundleAuthorities}`,
    { value: name },
  )
}

/** Equal for the same authorities of the same name, whatever their order: lower-case hex. */
export function fingerprintAuthorities(name: string, authorities: readonly Certificate[]): string {
  const content = authorities.map(({ sha256 }) => sha256).toSorted()
  return createHash('sha256')
    .update(`${name}\n${content.join('\n')}`)
    .digest('hex')
}

function checkAuthority(name: string, authority: Certificate): void {
  const refuse = (finding: string): never => {
    throw new CertificateError(
      'authority_unusable',
      `bundle of ${name}: ${describeCertificate(authority)} ${finding}`,
      { value: name },
    )
  }
  if (authority.basicConstraints?.cA !== true) refuse('is no CA, expected basicConstraints with cA')
  if (authority.keyUsage?.usages.has('keyCertSign') === false) refuse('has a key usage without keyCertSign')
  if (!isStrongKey(authority.keyInfo)) refuse('has a weak or unsupported key')
}
