import type { Certificate } from '../certificate/certificate.ts'
import { Refused } from '../svid/refusal.ts'

/**
 * Checks what the leaf of a caller may do, by RFC 5280 alone: X509-SVID demands a critical key usage, no cRLSign and both
 * extended key usages, which binds no CA without SPIFFE. The extended key usage is checked with the path.
 */
export function checkKeyUsage({ basicConstraints, keyUsage }: Certificate): void {
  // §4.2.1.9: a certificate that signs certificates. It would authenticate whoever the CA is, and not a service.
  if (basicConstraints?.cA === true) refuse('leaf_is_ca', 'found cA true, expected a leaf certificate')
  // §4.2.1.3: conforming CAs SHOULD mark it critical, and may leave it out.
  if (keyUsage === undefined) return
  const { usages } = keyUsage
  // §4.2.1.9: keyCertSign only together with cA.
  if (usages.has('keyCertSign')) refuse('leaf_may_sign', 'found keyCertSign on a leaf')
  // §4.2.1.3: what signs handshakes; RFC 8446 §4.4.2.2 asks for it where a key usage is there.
  if (!usages.has('digitalSignature')) refuse('digital_signature_missing', 'found no digitalSignature')
}

function refuse(reason: 'leaf_is_ca' | 'leaf_may_sign' | 'digital_signature_missing', detail: string): never {
  throw new Refused(reason, detail)
}
