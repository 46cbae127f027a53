import type { Certificate, CertificateSignature } from './certificate.ts'
import { chooseScheme, isPossiblySignedBy } from './signature.ts'

// A revocation list comes again with every update, and to verify it may take longer than all of a chain.
const findings = new WeakMap<CertificateSignature, Map<string, boolean>>()

/** The most keys whose answer is remembered for one signature. */
const maxKeys = 256

/**
 * As `isPossiblySignedBy` with the key of this certificate, and verified once for each signature and key, whatever the
 * result was.
 */
export function isPossiblyIssuedBy(signature: CertificateSignature, issuer: Certificate): boolean {
  const key = issuer.keyInfo.der.toString('base64')
  const known = findings.get(signature) ?? new Map<string, boolean>()
  findings.set(signature, known)
  const finding = known.get(key) ?? isPossiblySignedBy(signature, issuer.publicKey)
  if (known.size >= maxKeys) known.clear()
  known.set(key, finding)
  return finding
}

/** As `verifySignature` with the key of this certificate, once for each signature and key. */
export function isIssuedBy(signature: CertificateSignature, issuer: Certificate): boolean {
  return typeof chooseScheme(signature) !== 'string' && isPossiblyIssuedBy(signature, issuer)
}
