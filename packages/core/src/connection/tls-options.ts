import { constants } from 'node:crypto'
import { toPem } from '../certificate/pem.ts'
import type { Accepted } from './accepted-material.ts'

/** The TLS options of a server that authenticates every peer; nothing in it may be left out or changed. */
export interface GuardTlsOptions {
  readonly key: string
  readonly cert: Buffer
  readonly ca: string[]
  readonly requestCert: true
  readonly rejectUnauthorized: true
  readonly minVersion: MinVersion
  readonly secureOptions: number
}

/** What a server is given at each change: without a certificate it refuses every handshake. */
export type ServedTlsOptions = GuardTlsOptions | Pick<GuardTlsOptions, 'minVersion' | 'secureOptions' | 'ca'>

/** The lowest protocol version that a server accepts. */
export type MinVersion = 'TLSv1.3' | 'TLSv1.2'

/** A ticket authenticates whoever holds it, and a renegotiation may change the peer of an open connection. */
export const secureOptions: number = constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION

/** The complete set for this material: `setSecureContext` replaces options, it does not merge them. */
export function createTlsOptions({ own, trust }: Accepted, minVersion: MinVersion): GuardTlsOptions {
  return {
    key: own.exportPrivateKey(),
    cert: Buffer.from(own.certificatePem),
    ca: trust.authorities.map(toPem),
    requestCert: true,
    rejectUnauthorized: true,
    minVersion,
    secureOptions,
  }
}

/** The set for a server that has no valid certificate of its own: nobody can begin a handshake, and no key is kept. */
export function createRefusingTlsOptions(minVersion: MinVersion): ServedTlsOptions {
  return { minVersion, secureOptions, ca: [] }
}
