import { CertificateError } from '../errors.ts'

/** One tag-length-value of DER (X.690 §8.1): its tag byte, its content, and both together as they were encoded. */
export interface DerElement {
  readonly tag: number
  readonly content: Buffer
  readonly encoded: Buffer
}

/** The tag bytes of the universal types that certificates are made of (X.680 §8.4). */
export const derTag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  numericString: 0x12,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  visibleString: 0x1a,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const

/**
 * The most pieces that one text or file is cut into. A bundle holds 512 different certificates at most, and each piece
 * costs the same however small it is.
 */
export const maxPieces = 4096

/** The `value` of an error about more pieces than that. */
export const tooManyPieces = 'too_many_pieces'

/**
 * Refuses a text or file for the number of its pieces.
 *
 * @throws {CertificateError} `certificate_malformed`, its value `tooManyPieces`
 */
export function refusePieces(found: string): never {
  throw new CertificateError('certificate_malformed', `found more than ${found}, expected fewer`, {
    value: tooManyPieces,
  })
}

/**
 * Cuts concatenated certificates, as the Workload API delivers them, at their encoded lengths; the inside of each is
 * not looked at. No bytes give an empty list.
 *
 * @throws {CertificateError} `certificate_trailing_bytes` for a rest that is no certificate, `certificate_malformed`
 * for a length that is indefinite, not the shortest possible, or beyond the end, and for more than 4096 elements
 */
export function splitDer(bytes: Uint8Array): readonly Buffer[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const certificates: Buffer[] = []
  let offset = 0
  while (offset < buffer.length) {
    if (buffer.readUInt8(offset) !== derTag.sequence) {
      const code = certificates.length === 0 ? 'certificate_malformed' : 'certificate_trailing_bytes'
      throw new CertificateError(
        code,
        `found ${buffer.length - offset} bytes that begin no certificate at offset ${offset}, expected DER alone`,
      )
    }
    const { encoded } = readElement(buffer, offset, 'certificate')
    if (certificates.length === maxPieces) refusePieces(`${maxPieces} certificates`)
    certificates.push(encoded)
    offset += encoded.length
  }
  return certificates
}

/**
 * Reads the one element that begins at an offset. A second way to write the same length would let two readers see two
 * certificates, hence only the shortest form passes (X.690 §10.1).
 *
 * @throws {CertificateError} `certificate_malformed`
 */
export function readElement(bytes: Buffer, offset: number, where: string): DerElement {
  if (offset + 2 > bytes.length) refuseMalformed(where, 'an element cut off in its header', 'tag and length')
  const tag = bytes.readUInt8(offset)
  if ((tag & 0x1f) === 0x1f) refuseMalformed(where, 'a tag of several bytes', 'a tag of one byte')
  const first = bytes.readUInt8(offset + 1)
  if (first < 0x80) return cutElement(bytes, tag, offset, offset + 2, first, where)
  const size = first & 0x7f
  if (size === 0) refuseMalformed(where, 'an indefinite length', 'a definite one')
  if (size > 3) refuseMalformed(where, `a length of ${size} bytes`, 'at most 3')
  const start = offset + 2 + size
  if (start > bytes.length) refuseMalformed(where, 'an element cut off in its length', 'the whole length')
  const length = bytes.readUIntBE(offset + 2, size)
  const isShortest = length >= 0x80 && bytes.readUInt8(offset + 2) !== 0
  if (!isShortest) refuseMalformed(where, `the length ${length} in ${size} bytes`, 'its shortest form')
  return cutElement(bytes, tag, offset, start, length, where)
}

function cutElement(
  bytes: Buffer,
  tag: number,
  offset: number,
  start: number,
  length: number,
  where: string,
): DerElement {
  const end = start + length
  if (end > bytes.length) {
    refuseMalformed(where, `${bytes.length - start} bytes of content`, `${length} as the length says`)
  }
  return { tag, content: bytes.subarray(start, end), encoded: bytes.subarray(offset, end) }
}

/**
 * Refuses bytes that break the encoding or the structure of a certificate.
 *
 * @throws {CertificateError} `certificate_malformed`, always
 */
export function refuseMalformed(where: string, found: string, expected: string): never {
  throw new CertificateError('certificate_malformed', `${where}: found ${found}, expected ${expected}`)
}
