import { hash } from 'node:crypto'
import { CertificateError } from '../../errors.ts'
import type { KeyStore } from './key-store.ts'

/** Opens a PKCS#12 store. */
export type DecodeKeyStore = (bytes: Uint8Array, passphrase: string | undefined) => KeyStore

/**
 * Opens PKCS#12 stores and remembers the result for those that come again with the same passphrase: all files are read
 * when one of them changes, and to derive the keys of one store can take a second. Failures are remembered too.
 */
export class KeyStoreCache {
  #previous: ReadonlyMap<string, KeyStore | CertificateError> = new Map()
  #current = new Map<string, KeyStore | CertificateError>()

  /** Begins another round; stores that the round before did not use are dropped. */
  beginRound(): void {
    this.#previous = this.#current
    this.#current = new Map()
  }

  /**
   * What `decode` returns for this store and passphrase, or returned before.
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
