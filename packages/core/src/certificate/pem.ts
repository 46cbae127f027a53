import { CertificateError } from '../errors.ts'
import type { Certificate } from './certificate.ts'
import { decodeConfirmedCertificate } from './decode.ts'
import { splitDer } from './der.ts'

/**
 * Reads every certificate of a configured text or file: PEM, where keys, CRLs and the text that openssl writes around
 * blocks are passed over, or DER, one certificate behind the other. Text is always PEM.
 *
 * @throws {CertificateError} `certificate_missing` when there is none; `certificate_malformed` for an unterminated
 * block or broken base64; otherwise as `decodeConfirmedCertificate`
 * @see https://www.rfc-editor.org/rfc/rfc7468
 */
export function parseCertificates(input: string | Uint8Array): readonly Certificate[] {
  const encoded = typeof input !== 'string' && isDer(input) ? splitDer(input) : splitPem(input)
  if (encoded.length === 0) {
    throw new CertificateError('certificate_missing', 'found no certificate, expected PEM or DER with at least one')
  }
  return encoded.map((der) => decodeConfirmedCertificate(der))
}

/** The certificate as one PEM block, ending in a line break. */
export function toPem(certificate: Pick<Certificate, 'der'>): string {
  const lines = certificate.der.toString('base64').replace(/.{64}(?!$)/g, '$&\n')
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`
}

/** A SEQUENCE with a long length, as every certificate has: no text begins like this. */
function isDer(bytes: Uint8Array): boolean {
  return /^30[89a-f]/.test(Buffer.from(bytes.subarray(0, 2)).toString('hex'))
}

/** `X509 CERTIFICATE` is the older label of the same thing, which OpenSSL reads too. */
const certificateLabels: ReadonlySet<string> = new Set(['CERTIFICATE', 'X509 CERTIFICATE'])

function splitPem(input: string | Uint8Array): readonly Buffer[] {
  const text = typeof input === 'string' ? input : Buffer.from(input).toString('latin1')
  const certificates: Buffer[] = []
  let label: string | undefined
  let body = ''
  for (const line of text.split(/\r\n|\n|\r/)) {
    const boundary = parseBoundary(line)
    if (boundary === undefined) {
      body += line
    } else if (label === undefined && boundary.kind === 'BEGIN') {
      label = boundary.label
      body = ''
    } else if (label === boundary.label && boundary.kind === 'END') {
      if (certificateLabels.has(label)) certificates.push(decodeBase64(body))
      label = undefined
    } else {
      refusePem(
        `the line ${JSON.stringify(line.slice(0, 64))}`,
        `-----${label === undefined ? 'BEGIN' : `END ${label}`}`,
      )
    }
  }
  if (label !== undefined) refusePem('the end of the text', `-----END ${label}`)
  return certificates
}

/** Both empty for a line that begins like a boundary and is none: it fits nowhere. */
function parseBoundary(line: string): { readonly kind: string; readonly label: string } | undefined {
  if (!/^-----(?:BEGIN|END) /.test(line)) return undefined
  const [, kind = '', label = ''] = /^-----(BEGIN|END) ([A-Z0-9 ]+)-----\s*$/.exec(line) ?? []
  return { kind, label }
}

/** `Buffer.from` skips what is not base64, so only text that comes back unchanged has been read. */
function decodeBase64(body: string): Buffer {
  const text = body.replace(/[ \t]+/g, '')
  const bytes = Buffer.from(text, 'base64')
  if (text === '' || bytes.toString('base64') !== text) refusePem('broken base64', 'the base64 of a certificate')
  return bytes
}

function refusePem(found: string, expected: string): never {
  throw new CertificateError('certificate_malformed', `PEM: found ${found}, expected ${expected}`)
}
