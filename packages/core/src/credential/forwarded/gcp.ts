import { createClientCertReader } from './client-cert.ts'
import type { ForwardedReader } from './forwarded-claim.ts'
import { withStatedPresence } from './stated-presence.ts'

/** The names of the custom request headers of a Google Cloud Application Load Balancer. */
export interface GcpHeaders {
  /** The header with the value `{client_cert_leaf}`. */
  readonly header: string
  /** The header with the value `{client_cert_chain}`. Default: none, so intermediates must be known here. */
  readonly chainHeader?: string | undefined
  /**
   * The header with the value `{client_cert_present}`. Default: none. With it, a caller whose certificate was not
   * forwarded (unverified, or larger than 16 KB) is refused instead of counting as one without a certificate.
   */
  readonly presentHeader?: string | undefined
}

/**
 * Reads the custom headers of a Google Cloud Application Load Balancer.
 *
 *     {client_cert_leaf}    = as Client-Cert of RFC 9440; empty without a verified certificate
 *     {client_cert_chain}   = as Client-Cert-Chain of RFC 9440
 *     {client_cert_present} = "true" / "false"
 *
 * @see https://cloud.google.com/load-balancing/docs/https/custom-headers#mtls-variables
 */
export function createGcpReader({ header, chainHeader, presentHeader }: GcpHeaders): ForwardedReader {
  const reader = createClientCertReader(header, chainHeader)
  if (presentHeader === undefined) return reader
  return withStatedPresence(reader, presentHeader, { yes: 'true', no: 'false' })
}
