import { constants } from 'node:crypto'
import { toPem } from '@countersign/spiffe/internal'
import type { TrustState } from './material-gate.ts'

/** The TLS options of a server that authenticates every peer. Do not omit or change any of them. */
export interface GuardTlsOptions {
  /**
   * Absent, like `cert`, if OpenSSL does not verify peers. The server then has no key until the guard is attached to
   * it.
   */
  readonly key?: string
  readonly cert?: Buffer
  readonly ca: string[]
  readonly requestCert: true
  readonly rejectUnauthorized: boolean
  readonly minVersion: MinVersion
  readonly secureOptions: number
}

/** What our side of a connection presents, and what OpenSSL checks the peer against. */
export type ContextOptions = Pick<GuardTlsOptions, 'ca' | 'minVersion' | 'secureOptions'> &
  Required<Pick<GuardTlsOptions, 'key' | 'cert'>>

/** The options that a server gets at each change. Without a certificate it refuses every handshake. */
export type ServedTlsOptions = ContextOptions | Omit<ContextOptions, 'key' | 'cert'>

/** The lowest TLS version to accept. */
export type MinVersion = 'TLSv1.3' | 'TLSv1.2'

/**
 * Disables tickets, which authenticate any client that holds one, and renegotiation, which may change the peer of an
 * open connection.
 */
export const secureOptions: number = constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION

/**
 * Returns the complete options for this material, because `setSecureContext` replaces options rather than merging them.
 */
export function createTlsOptions({ own, trust, openssl }: TrustState, minVersion: MinVersion): ContextOptions {
  return {
    key: own.exportPrivateKey(),
    cert: Buffer.from(own.certificatePem),
    // Empty rather than omitted, because OpenSSL would otherwise trust the roots of the public Web.
    ca: openssl === 'required' ? trust.authorities.map(toPem) : [],
    minVersion,
    secureOptions,
  }
}

/**
 * Returns the options with which to create a server. If OpenSSL does not verify peers, a server without an attached
 * guard would serve every client. It therefore gets no key, so that it refuses every handshake.
 */
export function createServerOptions(trustState: TrustState, minVersion: MinVersion): GuardTlsOptions {
  if (trustState.openssl === 'required') {
    return { ...createTlsOptions(trustState, minVersion), requestCert: true, rejectUnauthorized: true }
  }
  return { ...createRefusingTlsOptions(minVersion), requestCert: true, rejectUnauthorized: false }
}

/** Returns the options for a server without a valid certificate. Every handshake fails, and no key is kept. */
export function createRefusingTlsOptions(minVersion: MinVersion): Omit<ContextOptions, 'key' | 'cert'> {
  return { minVersion, secureOptions, ca: [] }
}
