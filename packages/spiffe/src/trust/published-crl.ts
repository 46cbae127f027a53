import { hash } from 'node:crypto'
import { type Crl, type CrlOrigin, decodeCrlInSteps, readCrlOrigin } from '../certificate/crl.ts'
import { keyOfName } from '../certificate/distinguished-name.ts'
import { CertificateError } from '../errors.ts'

/** A published revocation list. Each part is read on first use, once. */
export class PublishedCrl {
  readonly der: Buffer
  /** SHA-256 of the DER, lower-case hex. */
  readonly sha256: string
  /** Undefined if not even the origin can be read. */
  readonly origin: CrlOrigin | undefined
  /** Equal for lists with equal issuer names; empty without an origin. */
  readonly issuer: string
  #content: Crl | CertificateError | undefined
  #contentSha256: string | undefined

  constructor(sha256: string, der: Uint8Array) {
    this.sha256 = sha256
    // A copy, so that the caller cannot change the bytes after they were checked.
    this.der = Buffer.from(der)
    this.origin = readCrlOrigin(this.der)
    this.issuer = this.origin === undefined ? '' : keyOfName(this.origin.issuer)
  }

  /** SHA-256 of the signed part, lower-case hex; of the whole without an origin. */
  get contentSha256(): string {
    if (this.origin === undefined) return this.sha256
    return (this.#contentSha256 ??= hash('sha256', this.origin.signature.signedBytes))
  }

  /** What `read` returned, or undefined if it has not finished yet. */
  get content(): Crl | CertificateError | undefined {
    return this.#content
  }

  /** Returns the list, or the error if it is rejected. */
  *read(): Generator<void, Crl | CertificateError> {
    return (this.#content ??= yield* this.#decode())
  }

  *#decode(): Generator<void, Crl | CertificateError> {
    try {
      const crl = yield* decodeCrlInSteps(this.der)
      // The same signature object everywhere, so that the result of its verification is shared.
      return { ...crl, signature: this.origin?.signature ?? crl.signature }
    } catch (error) {
      if (error instanceof CertificateError) return error
      throw error
    }
  }
}

/** Caches lists between updates: their content, and which keys did and did not sign them. */
export class PublishedCrls {
  #previous: ReadonlyMap<string, PublishedCrl> = new Map()
  #current = new Map<string, PublishedCrl>()

  /** Starts a new round and drops the lists that the previous round did not use. */
  beginRound(): void {
    this.#previous = this.#current
    this.#current = new Map()
  }

  /** Returns the distinct lists, compared by SHA-256. */
  *list(crls: Iterable<Uint8Array>): Generator<void, readonly PublishedCrl[]> {
    const lists = new Map<string, PublishedCrl>()
    for (const der of crls) {
      const sha256 = hash('sha256', der)
      if (lists.has(sha256)) continue
      const found = this.#current.get(sha256) ?? this.#previous.get(sha256) ?? new PublishedCrl(sha256, der)
      this.#current.set(sha256, found)
      lists.set(sha256, found)
      yield
    }
    return [...lists.values()]
  }

  /** Returns the number of new lists and their total size in bytes. */
  measureNew(crls: Iterable<Uint8Array>): { readonly count: number; readonly bytes: number } {
    const unknown = new Map([...crls].map((der) => [hash('sha256', der), der.length]))
    for (const sha256 of [...this.#current.keys(), ...this.#previous.keys()]) unknown.delete(sha256)
    return { count: unknown.size, bytes: [...unknown.values()].reduce((sum, length) => sum + length, 0) }
  }
}
