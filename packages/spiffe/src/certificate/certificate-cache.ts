import { CertificateError } from '../errors.ts'
import type { Certificate } from './certificate.ts'
import { confirmCertificate, decodeLeaf } from './decode.ts'

/**
 * Decodes configured certificates and remembers the result for those that come again: a bundle is delivered with every
 * rotation and rarely changes, and decoding one certificate takes milliseconds. Failures are remembered too.
 */
export class CertificateCache {
  #previous: ReadonlyMap<string, Entry> = new Map()
  #current = new Map<string, Entry>()
  #count = 0

  /** Begins another round; certificates that the round before did not use are dropped. */
  beginRound(): void {
    this.#previous = this.#current
    this.#current = new Map()
    this.#count = 0
  }

  /** Whether a certificate was decoded in this round or the one before. */
  has(sha256: string): boolean {
    return this.#current.has(sha256) || this.#previous.has(sha256)
  }

  /** Announces certificates that are about to be decoded; returns how many this round has with them. */
  count(more: number): number {
    return (this.#count += more)
  }

  /**
   * Returns the certificate with this SHA-256 and DER. Its key is not made yet.
   *
   * @throws {CertificateError} as `decodeLeaf`
   */
  decode(sha256: string, der: Uint8Array): Certificate {
    const entry = this.#current.get(sha256) ?? this.#previous.get(sha256) ?? { decoded: attempt(() => decodeLeaf(der)) }
    this.#current.set(sha256, entry)
    return unwrap(entry.decoded)
  }

  /**
   * Returns a certificate that was decoded before, confirmed by the second reader and with a key that Node can read.
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
