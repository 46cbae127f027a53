import { claimChain, decodeBase64Certificate } from './decode-certificates.ts'
import { type ForwardedReader, noClaim } from './forwarded-claim.ts'
import { readSingleLine } from './single-line.ts'

/**
 * Reads what Traefik's middleware `passTLSClientCert` writes with `pem: true`, since version 2.9.4. Older versions
 * escape the value, and are refused.
 *
 *     X-Forwarded-Tls-Client-Cert = base64 of one certificate *( "," base64 of the next ), leaf first
 *
 * The middleware leaves the caller's own header in place if the caller has no certificate. The entry point removes it,
 * unless `forwardedHeaders` trusts the address of the caller.
 *
 * @see https://doc.traefik.io/traefik/reference/routing-configuration/http/middlewares/passtlsclientcert/
 */
export function createTraefikReader(): ForwardedReader {
  return {
    headers: [header],
    read(lines) {
      const value = readSingleLine(lines, header)
      if (typeof value !== 'string') return value
      if (value === '') return noClaim
      const certificates: Buffer[] = []
      for (const text of value.split(',')) {
        const der = decodeBase64Certificate(header, text)
        if ('kind' in der) return der
        certificates.push(der)
      }
      return claimChain(header, certificates)
    },
  }
}

const header = 'x-forwarded-tls-client-cert'
