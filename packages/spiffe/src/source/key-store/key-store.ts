import { CertificateError } from '../../errors.ts'
import { orderChain } from './order-chain.ts'
import { openStore } from './open-store.ts'

/** The content of a PKCS#12 store. */
export interface KeyStore {
  /** The private key as PKCS#8 DER; undefined for a trust store. */
  readonly key: Buffer | undefined
  /**
   * DER. For a key store: the key's own certificate, then its issuers in order, without self-signed ones. For a trust
   * store: all certificates.
   */
  readonly certificates: readonly Buffer[]
}

/**
 * Reads a PKCS#12 store of at most 1 MiB as OpenSSL and keytool write it, in the current format and the older ones.
 * Ignores certificates that do not belong to the key.
 *
 * A store without a MAC is accepted only without a passphrase, and only if nothing in it is encrypted. It is then protected only by the file system,
 * like a PEM file, and no key is derived. Blocks for the time of the key derivation, which is limited to a million
 * iterations.
 *
 * @param passphrase undefined for a store without a MAC; empty text is also a passphrase
 * @throws {CertificateError} `key_store_malformed`, `key_store_unsupported`, `passphrase_missing`, `passphrase_wrong`
 * @see https://www.rfc-editor.org/rfc/rfc7292
 */
export function decodeKeyStore(bytes: Uint8Array, passphrase: string | undefined): KeyStore {
  const { keys, certificates } = readStore(bytes, passphrase)
  const [key, ...more] = keys
  if (more.length > 0) refuse(`${more.length + 1} private keys`, 'exactly one')
  if (key !== undefined) return { key, certificates: orderChain(key, certificates) }
  if (certificates.length === 0) refuse('neither a private key nor a certificate', 'a key store or a trust store')
  return { key, certificates }
}

function readStore(bytes: Uint8Array, passphrase: string | undefined): ReturnType<typeof openStore> {
  if (bytes.length > maxBytes) refuse(`${bytes.length} bytes`, 'at most 1 MiB')
  try {
    return openStore(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), passphrase)
  } catch (error) {
    if (!(error instanceof CertificateError) || error.code !== 'certificate_malformed') throw error
    // Without a cause, because its message may contain decrypted content.
    return refuse('invalid content', 'a complete PKCS#12 file (.p12 or .pfx); the file may be only partly written')
  }
}

const maxBytes = 2 ** 20

function refuse(found: string, expected: string): never {
  throw new CertificateError('key_store_malformed', `key store: found ${found}, expected ${expected}`)
}
