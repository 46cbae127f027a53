import { claimChain, decodeBase64, decodeBase64Certificate, splitCertificates } from './decode-certificates.ts'
import { type ForwardedReader, type HeaderLines, type MalformedClaim, malformed, noClaim } from './forwarded-claim.ts'
import { readSingleLine } from './single-line.ts'

/**
 * Reads what HAProxy writes with `http-request set-header <header> %[ssl_c_der,base64]`, or with colons around it as in
 * RFC 9440, and with `%[ssl_c_chain_der,base64]`.
 *
 *     header      = base64 of one certificate, or ":" base64 ":"; empty or "::" without a certificate
 *     chainHeader = base64 of the concatenated other certificates, with or without colons: not a list of RFC 9440
 *
 * `set-header … if { ssl_c_used }` leaves the caller's own header in place if the caller has no certificate. The
 * configuration needs `http-request del-header` for each header before it.
 *
 * @see https://docs.haproxy.org/3.2/configuration.html#7.3.4-ssl_c_der
 * @see https://docs.haproxy.org/3.2/configuration.html#7.3.4-ssl_c_chain_der
 */
export function createHaproxyReader(header: string, chainHeader: string | undefined): ForwardedReader {
  return {
    headers: chainHeader === undefined ? [header] : [header, chainHeader],
    read(lines) {
      const text = readBase64(lines, header)
      if (typeof text !== 'string') return text
      const others = chainHeader === undefined ? [] : readOthers(lines, chainHeader)
      if ('kind' in others) return others
      if (text === '') return others.length === 0 ? noClaim : malformed(`${header}: found none beside ${chainHeader}`)
      const leaf = decodeBase64Certificate(header, text)
      return 'kind' in leaf ? leaf : claimChain(header, [leaf], others)
    },
  }
}

function readOthers(lines: HeaderLines, name: string): readonly Buffer[] | MalformedClaim {
  const text = readBase64(lines, name)
  if (typeof text !== 'string') return text
  if (text === '') return []
  const bytes = decodeBase64(text)
  return bytes === undefined ? malformed(`${name}: found invalid base64`) : splitCertificates(name, bytes)
}

function readBase64(lines: HeaderLines, name: string): string | MalformedClaim {
  const value = readSingleLine(lines, name)
  if (typeof value !== 'string' || !value.startsWith(':') || !value.endsWith(':')) return value
  return value.slice(1, -1)
}
