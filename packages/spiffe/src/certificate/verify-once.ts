import type { Certificate, CertificateSignature } from './certificate.ts'
import { chooseScheme, isPossiblySignedBy } from './signature.ts'

// The same revocation list arrives with every update, and verifying it can take longer than verifying a whole chain.
const findings = new WeakMap<CertificateSignature, Map<string, boolean>>()

/** The maximum number of keys whose result is cached for one signature. */
const maxKeys = 256

/**
 * Checks a signature like `isPossiblySignedBy` with the key of this certificate. The result is cached for each
 * signature and key, valid or not.
 */
export function isPossiblyIssuedBy(signature: CertificateSignature, issuer: Certificate): boolean {
  const key = issuer.keyInfo.der.toString('base64')
  const known = findings.get(signature) ?? new Map<string, boolean>()
  findings.set(signature, known)
  const recalled = known.get(key)
  if (recalled !== undefined) return recalled
  const finding = isPossiblySignedBy(signature, issuer.publicKey)
  if (known.size >= maxKeys) known.clear()
  known.set(key, finding)
  return finding
}

/** Returns what `isPossiblyIssuedBy` found before for this signature and key, or undefined. */
export function recallIssuedBy(signature: CertificateSignature, issuer: Certificate): boolean | undefined {
  return findings.get(signature)?.get(issuer.keyInfo.der.toString('base64'))
}

/**
 * Checks a signature like `verifySignature` with the key of this certificate. The result is cached for each signature
 * and key.
 */
export function isIssuedBy(signature: CertificateSignature, issuer: Certificate): boolean {
  return typeof chooseScheme(signature) !== 'string' && isPossiblyIssuedBy(signature, issuer)
}
