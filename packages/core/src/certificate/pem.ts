import { CertificateError } from '../errors.ts'
import type { Certificate } from './certificate.ts'
import { decodeConfirmedCertificate } from './decode.ts'
import { splitDer } from './der.ts'
import { describeFormat, describeJavaStore, isDer } from './file-format.ts'
import { decodePemBlock, readPemBlocks } from './pem-blocks.ts'

/**
 * Reads every certificate of a configured text or file: PEM, where keys, CRLs, requests and the text that openssl writes
 * around blocks are passed over, or DER, one certificate behind the other. Text is always PEM.
 *
 * @throws {CertificateError} `certificate_missing` when there is none; `certificate_malformed` for broken PEM, and for
 * certificates in a form that is not read (`TRUSTED CERTIFICATE`, PKCS#7); `key_store_unsupported` for a Java key store;
 * otherwise as `decodeConfirmedCertificate`
 * @see https://www.rfc-editor.org/rfc/rfc7468
 */
export function parseCertificates(input: string | Uint8Array): readonly Certificate[] {
  if (typeof input !== 'string') {
    refuseJavaStore(input)
    if (isDer(input)) return readDer(input)
  }
  return splitPem(input).map((der) => decodeConfirmedCertificate(der))
}

/**
 * Refuses a key store of Java in a format of its own.
 *
 * @throws {CertificateError} `key_store_unsupported`, with the command that converts it
 */
export function refuseJavaStore(bytes: Uint8Array, path?: string): void {
  const found = describeJavaStore(bytes, path)
  if (found !== undefined) throw new CertificateError('key_store_unsupported', `found ${found}`)
}

function readDer(bytes: Uint8Array): readonly Certificate[] {
  try {
    return splitDer(bytes).map((der) => decodeConfirmedCertificate(der))
  } catch (cause) {
    const format = describeFormat(bytes)
    if (!(cause instanceof CertificateError) || format === undefined || format.startsWith('a certificate ('))
      throw cause
    throw new CertificateError(cause.code, `found ${format}, expected certificates: ${cause.message}`, { cause })
  }
}

/** The certificate as one PEM block, ending in a line break. */
export function toPem(certificate: Pick<Certificate, 'der'>): string {
  const lines = certificate.der.toString('base64').replace(/.{64}(?!$)/g, '$&\n')
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`
}

/** `X509 CERTIFICATE` is the older label of the same thing, which OpenSSL reads too. */
const certificateLabels: ReadonlySet<string> = new Set(['CERTIFICATE', 'X509 CERTIFICATE'])

function splitPem(input: string | Uint8Array): readonly Buffer[] {
  const blocks = readPemBlocks(input)
  const foreign = blocks.find(({ label }) => holdsCertificates(label) && !certificateLabels.has(label))
  if (foreign !== undefined) throw explainBlock(foreign.label)
  const certificates = blocks.filter(({ label }) => certificateLabels.has(label)).map(decodePemBlock)
  if (certificates.length > 0) return certificates
  throw explainMissing(describeFormat(input) ?? blocks.map(({ label }) => `a block ${label}`).join(' and '))
}

/** Certificates in a form that is not read here: to pass them over would leave somebody out without a word. */
function holdsCertificates(label: string): boolean {
  return (label.includes('CERTIFICATE') && !label.includes('REQUEST')) || /^(?:PKCS ?#?(?:7|12)|CMS)/.test(label)
}

function explainBlock(label: string): CertificateError {
  const remedy =
    label === 'TRUSTED CERTIFICATE'
      ? 'convert it with openssl x509 -in <file> -out <file>'
      : label.startsWith('CMS') || label.startsWith('PKCS')
        ? 'convert it with openssl pkcs7 -print_certs -in <file> -out <file>'
        : 'leave it out'
  return new CertificateError('certificate_malformed', `PEM: found a block ${label}, expected CERTIFICATE; ${remedy}`)
}

function explainMissing(found: string): CertificateError {
  const instead = found === '' ? '' : ` but ${found}`
  const message = `found no certificate${instead}, expected PEM or DER with at least one`
  return new CertificateError('certificate_missing', message)
}
