import type { Certificate } from '../certificate/certificate.ts'
import { describeCertificate } from '../certificate/describe.ts'
import { isSameName } from '../certificate/distinguished-name.ts'
import { CertificateError } from '../errors.ts'

/** The most bytes that the names of all authorities may have: TLS sends them in one list of at most 64 KiB. */
const maxAuthorityNameBytes = 48 * 1024

/**
 * Checks that the names of all authorities fit into one handshake.
 *
 * @throws {CertificateError} `bundle_too_large`
 */
export function checkNameBytes(authorities: readonly Certificate[]): void {
  const sum = authorities.reduce((total, { subject }) => total + subject.der.length, 0)
  if (sum <= maxAuthorityNameBytes) return
  throw new CertificateError(
    'bundle_too_large',
    `bundles: found ${sum} bytes of authority names, expected at most ${maxAuthorityNameBytes}, or every handshake fails`,
  )
}

/**
 * Checks that OpenSSL can end a chain at each authority of one bundle: Node's TLS servers ignore
 * `allowPartialTrustChain`, so that to OpenSSL a chain ends at a self-signed certificate only.
 *
 * @throws {CertificateError} `authority_unusable`
 */
export function checkSelfSigned(name: string, authorities: readonly Certificate[]): void {
  for (const authority of authorities) {
    if (authority.selfIssued || authorities.some(({ subject }) => isSameName(subject, authority.issuer))) continue
    throw new CertificateError(
      'authority_unusable',
      `bundle of ${name}: ${describeCertificate(authority)} is not self-signed, and OpenSSL ends no chain there; add the authority that issued it`,
      { value: name },
    )
  }
}
