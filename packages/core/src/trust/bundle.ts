import { createHash } from 'node:crypto'
import type { Certificate } from '../certificate/certificate.ts'
import { describeCertificate } from '../certificate/describe.ts'
import { parseCertificates } from '../certificate/pem.ts'
import { isStrongKey } from '../certificate/signature.ts'
import { CertificateError } from '../errors.ts'
import { parseTrustDomain } from '../spiffe-id/trust-domain.ts'

/** The most X.509 authorities that a bundle may hold; each is a candidate that a hostile chain can make us try. */
const maxBundleAuthorities = 32

/**
 * The X.509 authorities of one trust domain, stored with its name (SPIFFE Trust Domain and Bundle §3). Immutable: a
 * changed bundle is another object, and what was verified under the old one is verified again.
 */
export class X509Bundle {
  readonly trustDomain: string
  readonly authorities: readonly Certificate[]
  /** Equal for bundles of the same content, whatever the order. */
  readonly fingerprint: string

  private constructor(trustDomain: string, authorities: readonly Certificate[]) {
    this.trustDomain = trustDomain
    this.authorities = Object.freeze([...authorities])
    const content = authorities.map(({ sha256 }) => sha256).toSorted()
    this.fingerprint = createHash('sha256')
      .update(`${trustDomain}\n${content.join('\n')}`)
      .digest('hex')
    Object.freeze(this)
  }

  /**
   * Reads the authorities of a trust domain from PEM or concatenated DER.
   *
   * @throws {SpiffeIdError} for a bad trust domain name
   * @throws {CertificateError} `bundle_empty`, `bundle_too_large`, or `authority_unusable` for a certificate that can
   * issue nothing: no CA, no keyCertSign (X509-SVID §4.1, §4.3), a weak key
   */
  static parse(trustDomain: string, input: string | Uint8Array): X509Bundle {
    const name = parseTrustDomain(trustDomain)
    const bySha256 = new Map(readAuthorities(name, input).map((authority) => [authority.sha256, authority]))
    const authorities = [...bySha256.values()]
    if (authorities.length > maxBundleAuthorities) {
      throw new CertificateError(
        'bundle_too_large',
        `bundle of ${name}: found ${authorities.length} authorities, expected at most ${maxBundleAuthorities}`,
        { value: name },
      )
    }
    for (const authority of authorities) checkAuthority(name, authority)
    return new X509Bundle(name, authorities)
  }
}

function readAuthorities(trustDomain: string, input: string | Uint8Array): readonly Certificate[] {
  try {
    return parseCertificates(input)
  } catch (cause) {
    if (!(cause instanceof CertificateError)) throw cause
    const code = cause.code === 'certificate_missing' ? 'bundle_empty' : cause.code
    throw new CertificateError(code, `bundle of ${trustDomain}: ${cause.message}`, { value: trustDomain, cause })
  }
}

function checkAuthority(trustDomain: string, authority: Certificate): void {
  const refuse = (finding: string): never => {
    throw new CertificateError(
      'authority_unusable',
      `bundle of ${trustDomain}: ${describeCertificate(authority)} ${finding}`,
      { value: trustDomain },
    )
  }
  if (authority.basicConstraints?.cA !== true) refuse('is no CA, expected basicConstraints with cA')
  if (authority.keyUsage?.usages.has('keyCertSign') === false) refuse('has a key usage without keyCertSign')
  if (!isStrongKey(authority.publicKey)) refuse('has a weak or unsupported key')
}
