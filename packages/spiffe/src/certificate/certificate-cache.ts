import { CertificateError } from '../errors.ts'
import type { Certificate } from './certificate.ts'
import { confirmCertificate, decodeLeaf } from './decode.ts'

/**
 * Decodes configured certificates and caches the result. A bundle arrives with every rotation but rarely changes, and
 * decoding one certificate takes milliseconds. Failures are cached too.
 */
export class CertificateCache {
  #previous: ReadonlyMap<string, Entry> = new Map()
  #current = new Map<string, Entry>()
  #count = 0

  /** Starts a new round and drops the certificates that the previous round did not use. */
  beginRound(): void {
    this.#previous = this.#current
    this.#current = new Map()
    this.#count = 0
  }

  /** Returns true if a certificate was decoded in this round or the previous one. */
  has(sha256: string): boolean {
    return this.#current.has(sha256) || this.#previous.has(sha256)
  }

  /** Adds certificates that will be decoded to the count of this round, and returns the new count. */
  count(more: number): number {
    return (this.#count += more)
  }

  /**
   * Returns the certificate with this SHA-256 and DER. Its key is not created yet.
   *
   * @throws {CertificateError} as `decodeLeaf`
   */
  decode(sha256: string, der: Uint8Array): Certificate {
    const entry = this.#current.get(sha256) ?? this.#previous.get(sha256) ?? { decoded: attempt(() => decodeLeaf(der)) }
    this.#current.set(sha256, entry)
    return unwrap(entry.decoded)
  }

  /**
   * Returns a decoded certificate after the second parser has confirmed it and Node has read its key.
   *
   * @throws {CertificateError} as `decodeConfirmedCertificate`
   */
  confirm(certificate: Certificate): Certificate {
    const entry = this.#current.get(certificate.sha256) ?? { decoded: certificate }
    this.#current.set(certificate.sha256, entry)
    entry.confirmed ??= attempt(() => {
      void certificate.publicKey
      return confirmCertificate(certificate)
    })
    return unwrap(entry.confirmed)
  }
}

type Result = Certificate | CertificateError

interface Entry {
  readonly decoded: Result
  confirmed?: Result
}

function attempt(read: () => Certificate): Result {
  try {
    return read()
  } catch (error) {
    if (error instanceof CertificateError) return error
    throw error
  }
}

function unwrap(result: Result): Certificate {
  if (result instanceof CertificateError) throw result
  return result
}
