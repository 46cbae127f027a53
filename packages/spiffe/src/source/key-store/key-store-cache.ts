import { hash } from 'node:crypto'
import { CertificateError } from '../../errors.ts'
import type { KeyStore } from './key-store.ts'

/** Opens a PKCS#12 store. */
export type DecodeKeyStore = (bytes: Uint8Array, passphrase: string | undefined) => KeyStore

/**
 * Opens PKCS#12 stores and caches the result by content and passphrase. All files are read when one of them changes,
 * and deriving the keys of one store can take a second. Failures are cached too.
 */
export class KeyStoreCache {
  #previous: ReadonlyMap<string, KeyStore | CertificateError> = new Map()
  #current = new Map<string, KeyStore | CertificateError>()

  /** Starts a new round and drops the stores that the previous round did not use. */
  beginRound(): void {
    this.#previous = this.#current
    this.#current = new Map()
  }

  /**
   * Returns the result of `decode` for this store and passphrase, from the cache if possible.
   *
   * @throws {CertificateError} as `decode`
   */
  open(bytes: Uint8Array, passphrase: string | undefined, decode: DecodeKeyStore): KeyStore {
    const secret = passphrase === undefined ? 'none' : hash('sha256', passphrase)
    const key = `${hash('sha256', bytes)} ${secret}`
    const result = this.#current.get(key) ?? this.#previous.get(key) ?? attempt(() => decode(bytes, passphrase))
    this.#current.set(key, result)
    if (result instanceof CertificateError) throw result
    return result
  }
}

function attempt(decode: () => KeyStore): KeyStore | CertificateError {
  try {
    return decode()
  } catch (error) {
    if (error instanceof CertificateError) return error
    throw error
  }
}
