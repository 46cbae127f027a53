import { CertificateError } from '../errors.ts'

/** One tag-length-value of DER (X.690 §8.1): its tag byte, its content, and its whole encoding. */
export interface DerElement {
  readonly tag: number
  readonly content: Buffer
  readonly encoded: Buffer
  /** The length of `encoded`. */
  readonly size: number
}

/** The tag bytes of the universal types that certificates use (X.680 §8.4). */
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
 * The maximum number of pieces that one text or file is split into. A bundle has at most 512 distinct certificates, and
 * every piece has the same cost regardless of its size.
 */
export const maxPieces = 4096

/** The `value` of the error for too many pieces. */
export const tooManyPieces = 'too_many_pieces'

/**
 * Throws the error for a text or file with too many pieces.
 *
 * @throws {CertificateError} `certificate_malformed` with the value `tooManyPieces`
 */
export function refusePieces(found: string): never {
  throw new CertificateError('certificate_malformed', `found more than ${found}, expected fewer`, {
    value: tooManyPieces,
  })
}

/**
 * Splits concatenated certificates, as the Workload API delivers them, at their encoded lengths. Does not check their
 * content. Returns an empty list for empty input.
 *
 * @throws {CertificateError} `certificate_trailing_bytes` for remaining bytes that are not a certificate,
 * `certificate_malformed` for a length that is indefinite, not the shortest possible or beyond the end, and above 4096
 * elements
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
        `found ${buffer.length - offset} bytes at offset ${offset} that are not a certificate, expected only DER`,
      )
    }
    const element = readElement(buffer, offset, 'certificate')
    if (certificates.length === maxPieces) refusePieces(`${maxPieces} certificates`)
    certificates.push(element.encoded)
    offset += element.size
  }
  return certificates
}

/**
 * Reads the one element at an offset. Accepts only the shortest form of a length (X.690 §10.1): otherwise two parsers
 * could read different certificates.
 *
 * @throws {CertificateError} `certificate_malformed`
 */
export function readElement(bytes: Buffer, offset: number, where: string): DerElement {
  if (offset + 2 > bytes.length) refuseMalformed(where, 'an element truncated in its header', 'tag and length')
  const tag = bytes.readUInt8(offset)
  if ((tag & 0x1f) === 0x1f) refuseMalformed(where, 'a tag of several bytes', 'a tag of one byte')
  const first = bytes.readUInt8(offset + 1)
  if (first < 0x80) return cutElement(bytes, tag, offset, offset + 2, first, where)
  const size = first & 0x7f
  if (size === 0) refuseMalformed(where, 'an indefinite length', 'a definite one')
  if (size > 3) refuseMalformed(where, `a length of ${size} bytes`, 'at most 3')
  const start = offset + 2 + size
  if (start > bytes.length) refuseMalformed(where, 'an element truncated in its length', 'the whole length')
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
    refuseMalformed(where, `${bytes.length - start} bytes of content`, `the ${length} that its length states`)
  }
  return new Cut(bytes, tag, offset, start, end)
}

// Most elements are read for only one of the two views, or for none, and creating them takes half of the decoding time.
class Cut implements DerElement {
  readonly tag: number
  readonly #bytes: Buffer
  readonly #offset: number
  readonly #start: number
  readonly #end: number

  constructor(bytes: Buffer, tag: number, offset: number, start: number, end: number) {
    this.tag = tag
    this.#bytes = bytes
    this.#offset = offset
    this.#start = start
    this.#end = end
  }

  get content(): Buffer {
    return this.#bytes.subarray(this.#start, this.#end)
  }

  get encoded(): Buffer {
    return this.#bytes.subarray(this.#offset, this.#end)
  }

  get size(): number {
    return this.#end - this.#offset
  }
}

/**
 * Throws the error for bytes that violate the encoding or the structure of a certificate.
 *
 * @throws {CertificateError} `certificate_malformed`, always
 */
export function refuseMalformed(where: string, found: string, expected: string): never {
  throw new CertificateError('certificate_malformed', `${where}: found ${found}, expected ${expected}`)
}
