import type { Certificate } from './certificate.ts'
import type { Crl } from './crl.ts'
import { isSameName } from './distinguished-name.ts'
import { isStrongKey } from './public-key.ts'
import { isIssuedBy } from './verify-once.ts'

/**
 * Whether a list belongs to an issuer. `foreign`: it is another issuer's. `not_entitled`: the issuer signed it but its
 * key usage does not allow that.
 */
export type CrlVerdict = 'valid' | 'foreign' | 'not_entitled'

/**
 * Verifies that the owner of this certificate issued a list (RFC 5280 §6.3.3 f, g): under its name, with its key, and
 * with cRLSign if it has a key usage. Lists signed by another key on its behalf are not supported. Each signature is
 * verified once per list and key.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5280#section-6.3.3
 */
export function verifyCrlSignature(crl: Crl, issuer: Certificate): CrlVerdict {
  const { keyInfo, keyUsage, subject } = issuer
  if (!isSameName(crl.issuer, subject)) return 'foreign'
  if (!isStrongKey(keyInfo) || !isIssuedBy(crl.signature, issuer)) return 'foreign'
  return keyUsage?.usages.has('cRLSign') === false ? 'not_entitled' : 'valid'
}
