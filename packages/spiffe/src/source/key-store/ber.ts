import { derTag, refuseMalformed } from '../../certificate/der.ts'

/**
 * Converts one BER element (X.690 §8) to DER as far as a DER reader needs it: definite lengths in their shortest form,
 * and octet strings in one piece. The content of an octet string is not converted.
 *
 * @throws {CertificateError} `certificate_malformed` for anything except one complete element, above 32 levels and
 * above 16,384 elements
 */
export function normalizeBer(bytes: Buffer): Buffer {
  const reader = new BerReader(bytes)
  const { encoded, end } = reader.read(0, bytes.length, 1)
  if (end < bytes.length) refuseMalformed(where, `${bytes.length - end} bytes too many`, 'nothing after the last field')
  return encoded
}

const where = 'key store'
const maxLevels = 32
/** A store of 256 certificates with their names has a third of this. */
const maxElements = 16_384
const constructed = 0x20
const constructedOctetString = derTag.octetString | constructed

interface Element {
  readonly tag: number
  /** As in DER. */
  readonly content: Buffer
  readonly encoded: Buffer
  /** The position after the element in the input. */
  readonly end: number
}

class BerReader {
  readonly #bytes: Buffer
  #count = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** Reads the element at `start`, which must end at `limit` or before. */
  read(start: number, limit: number, level: number): Element {
    this.#count += 1
    if (this.#count > maxElements) refuseMalformed(where, `more than ${maxElements} elements`, 'fewer')
    if (level > maxLevels) refuseMalformed(where, `more than ${maxLevels} levels`, 'fewer')
    const { tag, length, offset } = this.#readHeader(start, limit)
    const isConstructed = (tag & constructed) !== 0
    if (!isConstructed && length === undefined)
      refuseMalformed(where, 'a string of indefinite length', 'a definite one')
    const end = length === undefined ? limit : offset + length
    if (!isConstructed) return finish(tag, this.#bytes.subarray(offset, end), end)
    const inside: Element[] = []
    let next = offset
    while (length === undefined ? !this.#isEndOfContents(next, end) : next < end) {
      const element = this.read(next, end, level + 1)
      inside.push(element)
      next = element.end
    }
    const after = length === undefined ? next + 2 : end
    if (tag !== constructedOctetString) return finish(tag, Buffer.concat(inside.map(({ encoded }) => encoded)), after)
    if (inside.some((part) => part.tag !== derTag.octetString))
      refuseMalformed(where, 'a part of another type', 'octet strings')
    return finish(derTag.octetString, Buffer.concat(inside.map(({ content }) => content)), after)
  }

  /** Reads tag and length. `length` is undefined if it is indefinite. */
  #readHeader(start: number, limit: number): { tag: number; length: number | undefined; offset: number } {
    if (start + 2 > limit) refuseMalformed(where, 'an element truncated in its header', 'tag and length')
    const tag = this.#bytes.readUInt8(start)
    if ((tag & 0x1f) === 0x1f) refuseMalformed(where, 'a tag of several bytes', 'a tag of one byte')
    const first = this.#bytes.readUInt8(start + 1)
    if (first === 0x80) return { tag, length: undefined, offset: start + 2 }
    const size = first < 0x80 ? 0 : first & 0x7f
    const offset = start + 2 + size
    if (size > 4 || offset > limit)
      refuseMalformed(where, `a length of ${size} bytes`, 'at most 4, all of them present')
    const length = size === 0 ? first : this.#bytes.readUIntBE(start + 2, size)
    if (offset + length > limit) refuseMalformed(where, `${limit - offset} bytes of content`, `${length}`)
    return { tag, length, offset }
  }

  #isEndOfContents(at: number, limit: number): boolean {
    return at + 2 <= limit && this.#bytes.readUInt16BE(at) === 0
  }
}

function finish(tag: number, content: Buffer, end: number): Element {
  return { tag, content, encoded: Buffer.concat([encodeHeader(tag, content.length), content]), end }
}

function encodeHeader(tag: number, length: number): Buffer {
  if (length < 0x80) return Buffer.of(tag, length)
  const size = Math.ceil((32 - Math.clz32(length)) / 8)
  const header = Buffer.of(tag, 0x80 | size, 0, 0, 0, 0).subarray(0, 2 + size)
  header.writeUIntBE(length, 2, size)
  return header
}
