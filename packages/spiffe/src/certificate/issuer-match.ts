import type { Certificate } from './certificate.ts'
import { describeCertificate, quoteText } from './describe.ts'
import { isSameName } from './distinguished-name.ts'

/**
 * Returns true if `child` names `issuer` as its issuer: by name, and by those parts of the authority key identifier
 * that both have. Does not verify the signature.
 *
 * RFC 5280 §4.2.1.1 describes the identifier as an aid for building paths. But OpenSSL never accepts an issuer that
 * does not match it. With one trust domain OpenSSL also verifies the chain, and the result must not depend on the
 * number of trust domains.
 */
export function isNamedIssuer(issuer: Certificate, child: Certificate): boolean {
  return isSameName(issuer.subject, child.issuer) && findMismatch(issuer, child) === undefined
}

/**
 * Describes why `issuer` is not the certificate that `child` identifies, although it has the name of the child's
 * issuer. Returns undefined if there is no mismatch.
 */
export function describeKeyMismatch(issuer: Certificate, child: Certificate): string | undefined {
  const mismatch = findMismatch(issuer, child)
  if (mismatch === undefined) return undefined
  const { what, expected, found } = mismatch
  return `the authority key identifier of ${describeCertificate(child)} names ${what} ${expected}, but ${describeCertificate(issuer)} has ${what} ${found}; reissue it, or add the certificate that it names to the bundle`
}

interface Mismatch {
  readonly what: 'the key' | 'the serial number' | 'the issuer'
  readonly expected: string
  readonly found: string
}

function findMismatch(
  issuer: Certificate,
  { authorityKeyId, authorityCertificate }: Certificate,
): Mismatch | undefined {
  const { subjectKeyId } = issuer
  if (authorityKeyId !== undefined && subjectKeyId !== undefined && authorityKeyId !== subjectKeyId) {
    return { what: 'the key', expected: authorityKeyId, found: subjectKeyId }
  }
  const { serialNumber, issuer: above } = authorityCertificate ?? {}
  if (serialNumber !== undefined && serialNumber !== issuer.serialNumber) {
    return { what: 'the serial number', expected: serialNumber, found: issuer.serialNumber }
  }
  if (above === undefined || isSameName(above, issuer.issuer)) return undefined
  return { what: 'the issuer', expected: quoteText(above.text), found: quoteText(issuer.issuer.text) }
}
