import type { KeyObject } from 'node:crypto'
import type { Certificate } from './certificate.ts'
import type { Crl } from './crl.ts'
import { isSameName } from './distinguished-name.ts'
import { isStrongKey } from './public-key.ts'
import { verifySignature } from './signature.ts'

/** Whether a list is its issuer's: `foreign` is another's, `not_entitled` was signed by that key against its key usage. */
export type CrlVerdict = 'valid' | 'foreign' | 'not_entitled'

/**
 * Verifies that this certificate's owner issued that list (RFC 5280 §6.3.3 f, g): under its name, with its key, and
 * with cRLSign where it has a key usage. Lists that another key signs on its behalf are not supported.
 *
 * @param signer a key that was found to have signed this very list: its signature is not verified again
 * @see https://www.rfc-editor.org/rfc/rfc5280#section-6.3.3
 */
export function verifyCrlSignature(crl: Crl, issuer: Certificate, signer?: KeyObject): CrlVerdict {
  const { publicKey, keyUsage, subject } = issuer
  if (!isSameName(crl.issuer, subject)) return 'foreign'
  if (signer?.equals(publicKey) !== true && !isSignedBy(crl, issuer)) return 'foreign'
  return keyUsage?.usages.has('cRLSign') === false ? 'not_entitled' : 'valid'
}

function isSignedBy({ signature }: Crl, { keyInfo, publicKey }: Certificate): boolean {
  return isStrongKey(keyInfo) && verifySignature(signature, publicKey) === 'valid'
}
