import type { X509Certificate } from 'node:crypto'
import { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'

/**
 * A stream that a guard takes for the TLS connection of a caller, without a network and without OpenSSL. One takes 2 KiB
 * and not 40, so that a process can hold 100,000.
 */
export class HeldSocket extends Duplex {
  readonly authorized = true
  readonly remoteAddress = '127.0.0.1'
  readonly #certificate: X509Certificate

  constructor(certificate: X509Certificate) {
    super({ allowHalfOpen: false })
    this.#certificate = certificate
  }

  isSessionReused(): boolean {
    return false
  }

  getSession(): undefined {
    return undefined
  }

  getPeerX509Certificate(): X509Certificate {
    return this.#certificate
  }

  override _read(): void {}

  override _write(_chunk: unknown, _encoding: unknown, done: () => void): void {
    done()
  }

  override _final(done: () => void): void {
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    done(error)
  }
}

// The guard accepts nothing but a `TLSSocket`, whose constructor would create an object of OpenSSL.
Object.setPrototypeOf(HeldSocket.prototype, TLSSocket.prototype)
