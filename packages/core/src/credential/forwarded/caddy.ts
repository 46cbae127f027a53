import { readClientCert } from './client-cert.ts'
import { type ForwardedReader, noClaim } from './forwarded-claim.ts'

/**
 * Reads what Caddy writes with `header_up Client-Cert :{http.request.tls.client.certificate_der_base64}:`. Without a
 * certificate Caddy sends the placeholder itself. It has none for the rest of the chain, so `Client-Cert-Chain` can only
 * come from the caller and is not read.
 *
 *     Client-Cert = ":" base64 of one certificate ":", or the placeholder or nothing between the colons
 *
 * @see https://caddyserver.com/docs/json/apps/http/#docs
 */
export function createCaddyReader(): ForwardedReader {
  return {
    headers: [header],
    read(lines) {
      const [value, ...others] = lines(header)
      const isAbsent = value === '::' || value === ':{http.request.tls.client.certificate_der_base64}:'
      return isAbsent && others.length === 0 ? noClaim : readClientCert(lines, header, undefined)
    },
  }
}

const header = 'client-cert'
