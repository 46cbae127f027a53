import { type InnerList, type Item, parseItem, parseList } from 'structured-headers'
import { claimChain, decodeCertificate } from './decode-certificates.ts'
import {
  type ForwardedClaim,
  type ForwardedReader,
  type HeaderLines,
  type MalformedClaim,
  malformed,
  noClaim,
} from './forwarded-claim.ts'
import { maxValueLength, readSingleLine, refuseLength } from './single-line.ts'

/**
 * Reads the headers of RFC 9440. HAProxy, Cloudflare and CloudFront (in passthrough mode) can send them.
 *
 *     Client-Cert       = sf-item, a byte sequence: ":" base64 ":"
 *     Client-Cert-Chain = sf-list of byte sequences, without the leaf; may span several field lines
 *
 * @see https://www.rfc-editor.org/rfc/rfc9440.html#section-2
 * @see https://developers.cloudflare.com/ssl/client-certificates/forward-a-client-certificate/
 */
export function createClientCertReader(header: string, chainHeader: string | undefined): ForwardedReader {
  return {
    headers: chainHeader === undefined ? [header] : [header, chainHeader],
    read: (lines) => readClientCert(lines, header, chainHeader),
  }
}

/** Reads a leaf and the list of the other certificates from headers in the form of RFC 9440. */
export function readClientCert(lines: HeaderLines, header: string, chainHeader: string | undefined): ForwardedClaim {
  const value = readSingleLine(lines, header)
  if (typeof value !== 'string') return value
  const others = chainHeader === undefined ? [] : readChain(lines(chainHeader), chainHeader)
  if ('kind' in others) return others
  if (value === '') {
    // §2.3: there must not be a chain without a leaf.
    return others.length === 0 ? noClaim : malformed(`${header}: found none beside ${chainHeader}`)
  }
  const leaf = readItem(value, header)
  return 'kind' in leaf ? leaf : claimChain(header, [leaf], others)
}

function readItem(value: string, name: string): Buffer | MalformedClaim {
  const item = attempt(() => parseItem(value))
  if (item === undefined) return malformed(`${name}: found text that is not one structured field item`)
  const bytes = readBytes(item)
  // RFC 9651 §4.2.7 lets a parser repair base64. Two parsers could then read different certificates.
  if (bytes === undefined || value !== encode(bytes)) {
    return malformed(`${name}: found something other than one byte sequence without parameters`)
  }
  return decodeCertificate(name, bytes)
}

function readChain(values: readonly string[], name: string): readonly Buffer[] | MalformedClaim {
  // RFC 9651 §4.2: the field lines of a list are one list.
  const text = values.filter((value) => value !== '').join(', ')
  if (text.length > maxValueLength) return refuseLength(name)
  const list = attempt(() => parseList(text))
  if (list === undefined) return malformed(`${name}: found text that is not a structured field list`)
  const members = list.map(readBytes)
  const bytes = members.filter((member) => member !== undefined)
  if (bytes.length < members.length || bytes.map(encode).join(',') !== text.replaceAll(/[ \t]/g, '')) {
    return malformed(`${name}: found something other than byte sequences without parameters`)
  }
  const certificates: Buffer[] = []
  for (const member of bytes) {
    const der = decodeCertificate(name, member)
    if ('kind' in der) return der
    certificates.push(der)
  }
  return certificates
}

function readBytes([value, parameters]: Item | InnerList): Buffer | undefined {
  return value instanceof ArrayBuffer && parameters.size === 0 && value.byteLength > 0 ? Buffer.from(value) : undefined
}

function encode(bytes: Buffer): string {
  return `:${bytes.toString('base64')}:`
}

function attempt<Value>(parse: () => Value): Value | undefined {
  try {
    return parse()
  } catch {
    return undefined
  }
}
