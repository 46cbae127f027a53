import { type Certificate, clientAuth, serverAuth } from '../certificate/certificate.ts'
import { Refused } from './refusal.ts'

/** Checks that the leaf of an X509-SVID may only sign handshakes, and on both sides. */
export function checkUsages(leaf: Certificate): void {
  const { keyUsage, extendedKeyUsage } = leaf
  // X509-SVID §4.1, §5.2
  if (leaf.basicConstraints?.cA === true) refuse('leaf_is_ca', 'found cA true, expected a leaf certificate')
  // §4.3
  if (keyUsage === undefined) return refuse('key_usage_missing', 'found no key usage, expected a critical one')
  const { critical, usages } = keyUsage
  if (!critical) refuse('key_usage_not_critical', 'the key usage must be critical')
  if (usages.has('keyCertSign')) refuse('leaf_may_sign', 'found keyCertSign on a leaf')
  if (usages.has('cRLSign')) refuse('leaf_may_sign', 'found cRLSign on a leaf')
  if (!usages.has('digitalSignature')) refuse('digital_signature_missing', 'found no digitalSignature in the key usage')
  // §4.4: both or neither. A certificate for only one side of the handshake is not an SVID.
  if (
    extendedKeyUsage !== undefined &&
    !(extendedKeyUsage.includes(serverAuth) && extendedKeyUsage.includes(clientAuth))
  ) {
    refuse('extended_key_usage_incomplete', 'expected serverAuth and clientAuth, or no extended key usage')
  }
}

function refuse(reason: ConstructorParameters<typeof Refused>[0], detail: string): never {
  throw new Refused(reason, detail)
}
