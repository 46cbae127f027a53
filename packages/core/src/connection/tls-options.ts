import { constants } from 'node:crypto'
import { toPem } from '@countersign/spiffe/internal'
import type { TrustState } from './material-gate.ts'

/** The TLS options of a server that authenticates every peer; nothing in it may be left out or changed. */
export interface GuardTlsOptions {
  /** Absent, like `cert`, where OpenSSL verifies no peer: the server has no key until the guard is attached to it. */
  readonly key?: string
  readonly cert?: Buffer
  readonly ca: string[]
  readonly requestCert: true
  readonly rejectUnauthorized: boolean
  readonly minVersion: MinVersion
  readonly secureOptions: number
}

/** What one end of a connection presents, and what OpenSSL checks the other end against. */
export type ContextOptions = Pick<GuardTlsOptions, 'ca' | 'minVersion' | 'secureOptions'> &
  Required<Pick<GuardTlsOptions, 'key' | 'cert'>>

/** What a server is given at each change: without a certificate it refuses every handshake. */
export type ServedTlsOptions = ContextOptions | Omit<ContextOptions, 'key' | 'cert'>

/** The lowest protocol version that a server accepts. */
export type MinVersion = 'TLSv1.3' | 'TLSv1.2'

/** A ticket authenticates whoever holds it, and a renegotiation may change the peer of an open connection. */
export const secureOptions: number = constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION

/** The complete set for this material: `setSecureContext` replaces options, it does not merge them. */
export function createTlsOptions({ own, trust, openssl }: TrustState, minVersion: MinVersion): ContextOptions {
  return {
    key: own.exportPrivateKey(),
    cert: Buffer.from(own.certificatePem),
    // Empty and never left out, because OpenSSL would get the roots of the public Web in its place.
    ca: openssl === 'required' ? trust.authorities.map(toPem) : [],
    minVersion,
    secureOptions,
  }
}

/**
 * The set to make a server with. Where OpenSSL verifies no peer, a server that no guard is attached to would serve
 * everyone: it gets no key, so that it refuses every handshake.
 */
export function createServerOptions(accepted: TrustState, minVersion: MinVersion): GuardTlsOptions {
  if (accepted.openssl === 'required') {
    return { ...createTlsOptions(accepted, minVersion), requestCert: true, rejectUnauthorized: true }
  }
  return { ...createRefusingTlsOptions(minVersion), requestCert: true, rejectUnauthorized: false }
}

/** The set for a server that has no valid certificate of its own: nobody can begin a handshake, and no key is kept. */
export function createRefusingTlsOptions(minVersion: MinVersion): Omit<ContextOptions, 'key' | 'cert'> {
  return { minVersion, secureOptions, ca: [] }
}
