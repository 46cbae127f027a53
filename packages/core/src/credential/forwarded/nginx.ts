import { claimChain, decodeEscapedPem } from './decode-certificates.ts'
import { type ForwardedReader, malformed, noClaim } from './forwarded-claim.ts'
import { readSingleLine } from './single-line.ts'

/**
 * Reads the leaf as nginx writes it: `proxy_set_header <header> $ssl_client_escaped_cert`. nginx has no variable for the
 * rest of the chain.
 *
 *     value = one PEM certificate, percent-encoded; empty without a certificate
 *
 * @see https://nginx.org/en/docs/http/ngx_http_ssl_module.html#var_ssl_client_escaped_cert
 */
export function createNginxReader(header: string): ForwardedReader {
  return createPemReader(header, 'leaf')
}

/** Reads percent-encoded PEM: of the leaf alone, or of a chain whose first certificate is the leaf. */
export function createPemReader(header: string, extent: 'leaf' | 'chain'): ForwardedReader {
  return {
    headers: [header],
    read(lines) {
      const value = readSingleLine(lines, header)
      if (typeof value !== 'string') return value
      if (value === '') return noClaim
      const certificates = decodeEscapedPem(header, value)
      if ('kind' in certificates) return certificates
      if (extent === 'leaf' && certificates.length > 1) {
        return malformed(`${header}: found ${certificates.length} certificates, expected one`)
      }
      return claimChain(header, certificates)
    },
  }
}
