import type { Certificate } from './certificate.ts'
import type { Crl } from './crl.ts'
import { isSameName } from './distinguished-name.ts'
import { isStrongKey } from './public-key.ts'
import { isIssuedBy } from './verify-once.ts'

/** Whether a list is its issuer's: `foreign` is another's, `not_entitled` was signed by that key against its key usage. */
export type CrlVerdict = 'valid' | 'foreign' | 'not_entitled'

/**
 * Verifies that this certificate's owner issued that list (RFC 5280 §6.3.3 f, g): under its name, with its key, and
 * with cRLSign where it has a key usage. Lists that another key signs on its behalf are not supported. The signature is
 * verified once for each list and key.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5280#section-6.3.3
 */
export function verifyCrlSignature(crl: Crl, issuer: Certificate): CrlVerdict {
  const { keyInfo, keyUsage, subject } = issuer
  if (!isSameName(crl.issuer, subject)) return 'foreign'
  if (!isStrongKey(keyInfo) || !isIssuedBy(crl.signature, issuer)) return 'foreign'
  return keyUsage?.usages.has('cRLSign') === false ? 'not_entitled' : 'valid'
}
