import { hash, type KeyObject } from 'node:crypto'
import { loadX509 } from '#lazy/x509'
import { CertificateError } from '../errors.ts'
import type { Certificate } from './certificate.ts'
import { type DerElement, derTag, refuseMalformed, splitDer } from './der.ts'
import { DerReader, enterOnly } from './der-reader.ts'
import { decodeAlgorithm, decodeBytes, decodeSerialNumber, decodeTime, decodeUnsigned } from './der-values.ts'
import { decodeDistinguishedName, isSameName } from './distinguished-name.ts'
import { type CertificateExtensions, decodeExtensions } from './extensions.ts'
import { createKey, decodePublicKeyInfo } from './public-key.ts'

/**
 * Decodes exactly one X.509 certificate from its DER, strictly by RFC 5280 §4.1 and X.690, and copies its bytes.
 *
 * @throws {CertificateError} `certificate_malformed`, also above 128 KiB; `certificate_trailing_bytes` for bytes after
 * the certificate; `certificate_unsupported` for a public key that Node cannot read or whose curve has no name;
 * `certificate_missing` for empty input
 */
export function decodeCertificate(input: Uint8Array): Certificate {
  const certificate = decodeLeaf(input)
  // Creates the key now, so that an error is thrown here and not during verification.
  void certificate.publicKey
  return certificate
}

/**
 * Decodes a certificate like `decodeCertificate`, but creates its key only on first access, because that takes as long
 * as all the rest. For certificates that do not need to verify signatures. `publicKey` then throws what
 * `decodeCertificate` would have thrown.
 *
 * @throws {CertificateError} as `decodeCertificate`
 */
export function decodeLeaf(input: Uint8Array): Certificate {
  const der = copySingle(input)
  const outer = enterOnly(der, derTag.sequence, 'certificate')
  const signed = outer.next(derTag.sequence)
  const algorithm = outer.next(derTag.sequence)
  const value = decodeBytes(outer.next(derTag.bitString), 'signatureValue')
  outer.end()

  const fields = new DerReader(signed.content, 'tbsCertificate')
  const version = decodeVersion(fields)
  const serialNumber = decodeSerialNumber(fields.next(derTag.integer))
  const signedAlgorithm = fields.next(derTag.sequence)
  const issuer = decodeDistinguishedName(fields.next(derTag.sequence).encoded, 'issuer')
  const validity = fields.enter(derTag.sequence, 'validity')
  const notBefore = decodeTime(validity.nextOfAny(), 'notBefore')
  const notAfter = decodeTime(validity.nextOfAny(), 'notAfter')
  validity.end()
  const subject = decodeDistinguishedName(fields.next(derTag.sequence).encoded, 'subject')
  const keyInfo = decodePublicKeyInfo(fields.next(derTag.sequence))
  const uniqueIds = [fields.nextIf(0x81), fields.nextIf(0x82)]
  const wrapped = fields.nextIf(0xa3)
  fields.end()
  if (version < 2 && uniqueIds.some((id) => id !== undefined)) {
    refuseMalformed('tbsCertificate', 'a unique identifier in version 1', 'one only in version 2 or 3')
  }
  if (version < 3 && wrapped !== undefined) {
    refuseMalformed('tbsCertificate', `extensions in version ${version}`, 'extensions only in version 3')
  }

  let publicKey: KeyObject | undefined
  return {
    der,
    sha256: hash('sha256', der),
    serialNumber,
    subject,
    issuer,
    notBefore,
    notAfter,
    keyInfo,
    get publicKey() {
      return (publicKey ??= createKey(keyInfo))
    },
    signature: {
      ...decodeAlgorithm(algorithm),
      algorithmsAgree: algorithm.encoded.equals(signedAlgorithm.encoded),
      signedBytes: signed.encoded,
      value,
    },
    ...decodeWrappedExtensions(wrapped),
    selfIssued: isSameName(subject, issuer),
  }
}

/**
 * Decodes a certificate like `decodeCertificate`, and again with a second, independent parser. Rejects it if the second
 * parser finds different dates, key or signature. For configured certificates that everything else depends on
 * (authorities, our own SVID). It takes several times as long, so it is not used for certificates of peers.
 *
 * @throws {CertificateError} as `decodeCertificate`; `certificate_malformed` if the parsers disagree
 */
export function decodeConfirmedCertificate(input: Uint8Array): Certificate {
  return confirmCertificate(decodeCertificate(input))
}

/**
 * Runs the second parser of `decodeConfirmedCertificate` on a decoded certificate.
 *
 * @throws {CertificateError} as `decodeConfirmedCertificate`
 */
export function confirmCertificate(certificate: Certificate): Certificate {
  if (isReadAlike(certificate)) return certificate
  return refuseMalformed(
    'certificate',
    'dates, a key or a signature that a second parser reads differently',
    'the same values',
  )
}

function isReadAlike({ der, notBefore, notAfter, publicKey, signature }: Certificate): boolean {
  const { parseAgain } = loadX509()
  try {
    const { tbsCertificate, signatureValue } = parseAgain(der)
    const { validity, subjectPublicKeyInfo } = tbsCertificate
    const key = Buffer.from(subjectPublicKeyInfo.subjectPublicKey)
    return (
      validity.notBefore.getTime().getTime() === notBefore &&
      validity.notAfter.getTime().getTime() === notAfter &&
      publicKey.export({ type: 'spki', format: 'der' }).subarray(-key.length).equals(key) &&
      signature.value.equals(Buffer.from(signatureValue))
    )
  } catch (cause) {
    throw new CertificateError(
      'certificate_malformed',
      'certificate: found a certificate that a second parser rejects',
      {
        cause,
      },
    )
  }
}

/** TLS accepts chains of 100 KiB, and decoding a certificate must not block longer than one turn. */
const maxCertificateBytes = 131_072

/** Returns a copy, so that the caller cannot change the bytes after they were checked. */
function copySingle(input: Uint8Array): Buffer {
  if (input.length > maxCertificateBytes) refuseMalformed('certificate', `${input.length} bytes`, 'at most 131,072')
  const [der, ...others] = splitDer(new Uint8Array(input))
  if (der === undefined) throw new CertificateError('certificate_missing', 'certificate: found no bytes, expected DER')
  if (others.length === 0) return der
  throw new CertificateError(
    'certificate_trailing_bytes',
    'certificate: found more bytes after it, expected exactly one certificate',
  )
}

/** Returns the usual version number, which is the encoded one plus 1 (RFC 5280 §4.1.2.1). */
function decodeVersion(fields: DerReader): number {
  const wrapper = fields.nextIf(0xa0)
  if (wrapper === undefined) return 1
  const inside = new DerReader(wrapper.content, 'version')
  const version = decodeUnsigned(inside.next(derTag.integer), 'version') + 1
  inside.end()
  if (version !== 2 && version !== 3) refuseMalformed('version', `the value ${version - 1}`, '1, 2 or no version')
  return version
}

function decodeWrappedExtensions(wrapper: DerElement | undefined): CertificateExtensions {
  if (wrapper === undefined) return { unknownCriticalExtensions: [] }
  return decodeExtensions(enterOnly(wrapper.content, derTag.sequence, 'extensions').rest())
}
