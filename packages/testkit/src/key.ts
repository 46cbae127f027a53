import { createHash, generateKeyPair, type KeyObject, type KeyPairKeyObjectResult, webcrypto } from 'node:crypto'
import { promisify } from 'node:util'
import { checkArgument, oneOf, type OptionKind } from './check-options.ts'

/** The key types of the testkit. `RSA-1024` is too weak for any verifier and exists to be refused. */
export type KeyType = 'P-256' | 'P-384' | 'P-521' | 'RSA-1024' | 'RSA-2048' | 'RSA-3072' | 'Ed25519'

/** The hash of a signature. `strong` is the one that suits the key. Ed25519 ignores it. */
export type SignatureHash = 'strong' | 'SHA-1'

/**
 * Creates a key pair: takes about a millisecond for an elliptic curve, and far longer for RSA. Pass it as the `key`
 * option of several authorities or SVIDs if a test needs thousands of them, or two authorities with one key.
 *
 * @param type default: `P-256`, as in SPIRE
 * @throws {ConfigurationError} `option_invalid` for another type
 */
export async function createKey(type: KeyType = 'P-256'): Promise<TestKey> {
  checkArgument(type, 'createKey', aKeyType)
  const { privateKey, publicKey } = await generators[type]()
  return new TestKey(type, privateKey, publicKey)
}

/** A key pair of a test certificate. It is not secret: never use it outside a test. */
export class TestKey {
  readonly type: KeyType
  /** The private key as unencrypted PKCS#8. */
  readonly pem: string
  /** The public key as a DER SubjectPublicKeyInfo (RFC 5280 §4.1.2.7). */
  readonly spki: Buffer
  /** The first 160 bits of the SHA-256 of `spki`, in lower-case hex (RFC 7093 §2, method 4). */
  readonly keyId: string
  readonly #privateKey: KeyObject
  readonly #signingKeys = new Map<string, Promise<webcrypto.CryptoKey>>()

  /** Called by `createKey`. */
  constructor(type: KeyType, privateKey: KeyObject, publicKey: KeyObject) {
    this.type = type
    this.pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    this.spki = publicKey.export({ type: 'spki', format: 'der' })
    this.keyId = createHash('sha256').update(this.spki).digest('hex').slice(0, 40)
    this.#privateKey = privateKey
  }

  /** Returns the WebCrypto hash name for a signature with this key. */
  hashName(hash: SignatureHash): string {
    return hash === 'SHA-1' ? 'SHA-1' : strongHashes[this.type]
  }

  /** Returns the private key for WebCrypto. WebCrypto binds an RSA key to its hash, so there is one for each hash. */
  signingKey(hash: SignatureHash): Promise<webcrypto.CryptoKey> {
    const hashName = this.hashName(hash)
    const known = this.#signingKeys.get(hashName)
    if (known !== undefined) return known
    const algorithm = this.type.startsWith('RSA')
      ? { name: 'RSASSA-PKCS1-v1_5', hash: hashName }
      : this.type === 'Ed25519'
        ? { name: 'Ed25519' }
        : { name: 'ECDSA', namedCurve: this.type }
    const pkcs8 = this.#privateKey.export({ type: 'pkcs8', format: 'der' })
    const imported = webcrypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign'])
    this.#signingKeys.set(hashName, imported)
    return imported
  }
}

const strongHashes: Readonly<Record<KeyType, string>> = {
  'P-256': 'SHA-256',
  'P-384': 'SHA-384',
  'P-521': 'SHA-512',
  'RSA-1024': 'SHA-256',
  'RSA-2048': 'SHA-256',
  'RSA-3072': 'SHA-256',
  Ed25519: 'SHA-512',
}

/** Accepts a key type, as an option or argument. */
export const aKeyType: OptionKind = oneOf(Object.keys(strongHashes))

/** Accepts a key, as an option. */
export const aKey: OptionKind = [(value) => value instanceof TestKey, 'a key made by createKey()']

const generate = promisify(generateKeyPair)

const generators: Readonly<Record<KeyType, () => Promise<KeyPairKeyObjectResult>>> = {
  'P-256': () => generate('ec', { namedCurve: 'P-256' }),
  'P-384': () => generate('ec', { namedCurve: 'P-384' }),
  'P-521': () => generate('ec', { namedCurve: 'P-521' }),
  'RSA-1024': () => generate('rsa', { modulusLength: 1024 }),
  'RSA-2048': () => generate('rsa', { modulusLength: 2048 }),
  'RSA-3072': () => generate('rsa', { modulusLength: 3072 }),
  Ed25519: () => generate('ed25519'),
}
