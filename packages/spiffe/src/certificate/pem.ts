import { CertificateError } from '../errors.ts'
import type { Certificate } from './certificate.ts'
import { decodeConfirmedCertificate } from './decode.ts'
import { splitDer, tooManyPieces } from './der.ts'
import { describeFormat, describeJavaStore, isDer } from './file-format.ts'
import { maxChainCertificates } from './path-checks.ts'
import { decodePemBlock, type PemBlock, readPemBlocks } from './pem-blocks.ts'

/** The DER of one certificate, or the error of its PEM block. */
export type EncodedCertificate = Buffer | CertificateError

/**
 * Splits a configured text or file into its certificates, at most 4096, without decoding them. Reads PEM, and ignores
 * keys, CRLs, requests and the text that openssl writes around blocks. Also reads concatenated DER; a string is always
 * PEM. A block with broken base64 or in an unsupported form (`TRUSTED CERTIFICATE`, PKCS#7) becomes an error in the
 * list.
 *
 * @throws {CertificateError} `certificate_missing` if there is none; `certificate_malformed` or
 * `certificate_trailing_bytes` if the start or end of a certificate is unclear; `key_store_unsupported` for a Java key
 * store
 * @see https://www.rfc-editor.org/rfc/rfc7468
 */
export function splitCertificates(input: string | Uint8Array): readonly EncodedCertificate[] {
  if (typeof input === 'string') return splitPem(input)
  refuseJavaStore(input)
  return isDer(input) ? namingFormat(input, () => splitDer(input)) : splitPem(input)
}

/**
 * Parses the certificates of our own chain, leaf first.
 *
 * @throws {CertificateError} as `splitCertificates`; `certificate_malformed` for a block without a certificate;
 * `svid_unusable` for more certificates than a peer accepts; otherwise as `decodeConfirmedCertificate`
 */
export function parseCertificates(input: string | Uint8Array): readonly Certificate[] {
  const encoded = splitChain(input)
  // Checked before decoding, which takes milliseconds for each.
  if (encoded.length > maxChainCertificates) refuseChain(`${encoded.length} certificates`)
  return namingFormat(input, () => encoded.map(decodeEncoded))
}

function splitChain(input: string | Uint8Array): readonly EncodedCertificate[] {
  try {
    return splitCertificates(input)
  } catch (error) {
    if (error instanceof CertificateError && error.value === tooManyPieces) return refuseChain('thousands of pieces')
    throw error
  }
}

function refuseChain(found: string): never {
  const message = `our own certificate: too_many_certificates: found ${found}, expected at most ${maxChainCertificates}`
  throw new CertificateError('svid_unusable', message, { value: 'too_many_certificates' })
}

/** Describes the actual format of bytes that should be certificates in DER, or returns undefined. */
export function describeOtherDer(input: string | Uint8Array): string | undefined {
  const format = typeof input === 'string' || !isDer(input) ? undefined : describeFormat(input)
  return format?.startsWith('a certificate (') === true ? undefined : format
}

function namingFormat<Value>(input: string | Uint8Array, read: () => Value): Value {
  try {
    return read()
  } catch (cause) {
    const format = describeOtherDer(input)
    if (!(cause instanceof CertificateError) || format === undefined) throw cause
    const { code, message, value } = cause
    throw new CertificateError(code, `found ${format}, expected certificates: ${message}`, { value, cause })
  }
}

/**
 * Rejects a Java key store that is not PKCS#12.
 *
 * @throws {CertificateError} `key_store_unsupported`, with the command that converts it
 */
export function refuseJavaStore(bytes: Uint8Array, path?: string): void {
  const found = describeJavaStore(bytes, path)
  if (found !== undefined) throw new CertificateError('key_store_unsupported', `found ${found}`)
}

/** Encodes a certificate as one PEM block that ends with a line break. */
export function toPem(certificate: Pick<Certificate, 'der'>): string {
  const lines = certificate.der.toString('base64').replace(/.{64}(?!$)/g, '$&\n')
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`
}

/** `X509 CERTIFICATE` is the older label for the same content, and OpenSSL also reads it. */
const certificateLabels: ReadonlySet<string> = new Set(['CERTIFICATE', 'X509 CERTIFICATE'])

function splitPem(input: string | Uint8Array): readonly EncodedCertificate[] {
  const blocks = readPemBlocks(input)
  const certificates = blocks.filter(({ label }) => holdsCertificates(label)).map(decodeBlock)
  if (certificates.length > 0) return certificates
  throw explainMissing(describeFormat(input) ?? blocks.map(({ label }) => `a ${label} block`).join(' and '))
}

function decodeBlock(block: PemBlock): EncodedCertificate {
  if (!certificateLabels.has(block.label)) return explainBlock(block.label)
  try {
    return decodePemBlock(block)
  } catch (error) {
    if (error instanceof CertificateError) return error
    throw error
  }
}

function decodeEncoded(encoded: EncodedCertificate): Certificate {
  if (encoded instanceof CertificateError) throw encoded
  return decodeConfirmedCertificate(encoded)
}

/** Returns true even for unsupported forms of certificates. Ignoring them would silently remove an authority. */
function holdsCertificates(label: string): boolean {
  return (label.includes('CERTIFICATE') && !label.includes('REQUEST')) || /^(?:PKCS ?#?(?:7|12)|CMS)/.test(label)
}

function explainBlock(label: string): CertificateError {
  const remedy =
    label === 'TRUSTED CERTIFICATE'
      ? 'convert it with openssl x509 -in <file> -out <file>'
      : label.startsWith('CMS') || label.startsWith('PKCS')
        ? 'convert it with openssl pkcs7 -print_certs -in <file> -out <file>'
        : 'remove the block'
  return new CertificateError('certificate_malformed', `PEM: found a ${label} block, expected CERTIFICATE; ${remedy}`)
}

function explainMissing(found: string): CertificateError {
  const instead = found === '' ? '' : `, only ${found}`
  const message = `found no certificate${instead}, expected PEM or DER with at least one`
  return new CertificateError('certificate_missing', message)
}
