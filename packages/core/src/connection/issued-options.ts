import type { Server as TlsServer } from 'node:tls'
import type { TrustState } from './material-gate.ts'
import { checkServer } from './check-server.ts'
import type { OpensslVerdict } from './openssl-verdict.ts'
import { createServerOptions, type GuardTlsOptions, type MinVersion } from './tls-options.ts'

/** Issues the TLS options of servers, and recognizes servers created with exactly those options. */
export class IssuedOptions {
  readonly #minVersion: MinVersion
  readonly #openssl: OpensslVerdict
  // Compared by identity: equal options from elsewhere are not ours.
  readonly #issued = new WeakSet<object>()

  constructor(minVersion: MinVersion, openssl: OpensslVerdict) {
    this.#minVersion = minVersion
    this.#openssl = openssl
  }

  create(trustState: TrustState): GuardTlsOptions {
    const options = createServerOptions(trustState, this.#minVersion)
    this.#issued.add(options.ca)
    if (options.cert !== undefined) this.#issued.add(options.cert)
    return options
  }

  /**
   * Checks that a server was created with options from `create`.
   *
   * @throws {ConfigurationError} `server_unsuitable`
   */
  check(server: unknown): TlsServer {
    const isOurs = (value: unknown): boolean => typeof value === 'object' && value !== null && this.#issued.has(value)
    checkServer(server, { minVersion: this.#minVersion, openssl: this.#openssl, isOurs })
    return server
  }
}
