import type { Certificate } from '../certificate/certificate.ts'
import { Refused } from '../svid/refusal.ts'

/**
 * Checks the usages of a caller's leaf by RFC 5280 only. X509-SVID also requires a critical key usage, no cRLSign and
 * both extended key usages, but that does not apply to a CA without SPIFFE. The extended key usage is checked with the
 * path.
 */
export function checkKeyUsage({ basicConstraints, keyUsage }: Certificate): void {
  // §4.2.1.9: a CA certificate signs certificates. It identifies the CA, not a service.
  if (basicConstraints?.cA === true) refuse('leaf_is_ca', 'found cA true, expected a leaf certificate')
  // §4.2.1.3: conforming CAs SHOULD mark it critical, and may omit it.
  if (keyUsage === undefined) return
  const { usages } = keyUsage
  // §4.2.1.9: keyCertSign only together with cA.
  if (usages.has('keyCertSign')) refuse('leaf_may_sign', 'found keyCertSign on a leaf')
  // §4.2.1.3: the usage for signing handshakes. RFC 8446 §4.4.2.2 requires it if there is a key usage.
  if (!usages.has('digitalSignature')) refuse('digital_signature_missing', 'found no digitalSignature in the key usage')
}

function refuse(reason: 'leaf_is_ca' | 'leaf_may_sign' | 'digital_signature_missing', detail: string): never {
  throw new Refused(reason, detail)
}
