import type { CertificateSignature } from './certificate.ts'
import { type DerElement, derTag, refuseMalformed } from './der.ts'
import { DerReader } from './der-reader.ts'

/**
 * Returns the dotted text of an OBJECT IDENTIFIER (X.690 §8.19). Each arc must have its shortest form. At most 64
 * bytes, because the time to compute an arc grows with the square of its length.
 *
 * @throws {CertificateError} `certificate_malformed`
 */
export function decodeObjectIdentifier(element: DerElement, where: string): string {
  const { content } = element
  if (content.length === 0 || content.length > 64) {
    refuseMalformed(where, `an object identifier of ${content.length} bytes`, '1 to 64')
  }
  let text = ''
  let start = 0
  for (let index = 0; index < content.length; index += 1) {
    const byte = content.readUInt8(index)
    if (index === start && byte === 0x80) {
      refuseMalformed(where, 'a padded object identifier', 'the shortest form')
    }
    if (byte >= 0x80) continue
    const arc = readArc(content, start, index)
    text += start === 0 ? describeFirstArcs(arc) : `.${arc}`
    start = index + 1
  }
  if (start < content.length) refuseMalformed(where, 'a truncated object identifier', 'a complete one')
  return text
}

// Uses numbers while they are exact, because nearly every arc is small.
function readArc(content: Buffer, start: number, end: number): number | bigint {
  if (end - start >= 7) {
    return content.subarray(start, end + 1).reduce((arc, byte) => (arc << 7n) | BigInt(byte & 0x7f), 0n)
  }
  let arc = 0
  for (let index = start; index <= end; index += 1) arc = arc * 128 + (content.readUInt8(index) & 0x7f)
  return arc
}

function describeFirstArcs(value: number | bigint): string {
  const first = value < 40 ? 0 : value < 80 ? 1 : 2
  return `${first}.${typeof value === 'bigint' ? value - BigInt(40 * first) : value - 40 * first}`
}

/**
 * Returns the value of a BOOLEAN, which in DER is either 0x00 or 0xff (X.690 §11.1).
 *
 * @throws {CertificateError} `certificate_malformed`
 */
export function decodeBoolean({ content }: DerElement, where: string): boolean {
  const hex = content.toString('hex')
  if (hex !== 'ff' && hex !== '00') refuseMalformed(where, `the boolean 0x${hex}`, '0x00 or 0xff')
  return hex === 'ff'
}

/**
 * Returns the value of a small non-negative INTEGER: a version, a path length or a salt length.
 *
 * @throws {CertificateError} `certificate_malformed` if it is negative, padded or longer than 6 bytes
 */
export function decodeUnsigned({ content }: DerElement, where: string): number {
  const { length } = content
  if (length === 0 || length > 6) refuseMalformed(where, `an integer of ${length} bytes`, '1 to 6')
  const first = content.readUInt8(0)
  if (first >= 0x80) refuseMalformed(where, 'a negative integer', 'zero or more')
  const isPadded = length > 1 && first === 0 && content.readUInt8(1) < 0x80
  if (isPadded) refuseMalformed(where, 'a padded integer', 'the shortest form')
  return content.readUIntBE(0, length)
}

/**
 * Returns the content of a BIT STRING of whole bytes: a signature or a key.
 *
 * @throws {CertificateError} `certificate_malformed`
 */
export function decodeBytes({ content }: DerElement, where: string): Buffer {
  if (content.length < 2 || content.readUInt8(0) !== 0) {
    refuseMalformed(where, 'an empty bit string or one with unused bits', 'whole bytes')
  }
  return content.subarray(1)
}

/**
 * Returns the numbers of the bits that are set in a BIT STRING of named bits (X.690 §11.2), at least one.
 *
 * @throws {CertificateError} `certificate_malformed`
 */
export function decodeNamedBits({ content }: DerElement, where: string): readonly number[] {
  const length = content.length - 1
  if (length < 1 || length > 6) refuseMalformed(where, `a bit string of ${length} bytes`, '1 to 6')
  const unused = content.readUInt8(0)
  const last = content.readUInt8(length)
  const isClean = unused < 8 && (last & ((1 << unused) - 1)) === 0
  if (!isClean) refuseMalformed(where, 'a bit string with non-zero or too many unused bits', 'zeros up to the end')
  const set: number[] = []
  for (let bit = 0; bit < length * 8; bit += 1) {
    if ((content.readUInt8(1 + (bit >> 3)) & (0x80 >> (bit & 7))) !== 0) set.push(bit)
  }
  if (set.length === 0) refuseMalformed(where, 'no bit set', 'at least one')
  return set
}

/**
 * Returns a serial number, from a certificate or a revocation list, as lower-case hex without redundant leading bytes.
 * Accepts numbers that RFC 5280 §4.1.2.2 forbids, because they are common: zero, negative, padded or long ones. The
 * sign is lost, so two numbers can have the same text. But the same number always has the same text in a list and in a
 * certificate.
 */
export function decodeSerialNumber({ content }: DerElement): string {
  return content
    .toString('hex')
    .replace(/^(?:(?:00)+(?=..)|(?:ff)+(?=[89a-f]))/, '')
    .padStart(2, '0')
}

/**
 * Reads an AlgorithmIdentifier (RFC 5280 §4.1.1.2). The parameters are not decoded.
 *
 * @throws {CertificateError} `certificate_malformed`
 */
export function decodeAlgorithm({ content }: DerElement): Pick<CertificateSignature, 'algorithm' | 'parameters'> {
  const fields = new DerReader(content, 'signatureAlgorithm')
  const algorithm = decodeObjectIdentifier(fields.next(derTag.objectIdentifier), 'signatureAlgorithm')
  if (fields.done) return { algorithm }
  const parameters = fields.nextOfAny().encoded
  fields.end()
  return { algorithm, parameters }
}

/**
 * Returns a time of RFC 5280 §4.1.2.5 in epoch milliseconds. It must be a UTCTime or GeneralizedTime in UTC, with
 * seconds, without fractions, and a day that exists.
 *
 * @throws {CertificateError} `certificate_malformed`
 */
export function decodeTime({ tag, content }: DerElement, where: string): number {
  const text = content.toString('latin1')
  if (tag === derTag.utcTime && /^\d{12}Z$/.test(text)) {
    return parseTime(`${text < '5' ? '20' : '19'}${text}`, where)
  }
  if (tag === derTag.generalizedTime && /^\d{14}Z$/.test(text)) return parseTime(text, where)
  return refuseMalformed(where, JSON.stringify(text.slice(0, 20)), 'UTCTime or GeneralizedTime in UTC with seconds')
}

function parseTime(digits: string, where: string): number {
  const part = (start: number, end: number): number => Number(digits.slice(start, end))
  const [year, month, day] = [part(0, 4), part(4, 6), part(6, 8)]
  const [hour, minute, second] = [part(8, 10), part(10, 12), part(12, 14)]
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  // `Date` turns 31 February into 3 March. So the day exists only if it comes back unchanged.
  const isDay = date.getUTCMonth() === month - 1 && date.getUTCDate() === day
  if (!isDay || hour > 23 || minute > 59 || second > 59) refuseMalformed(where, digits, 'a valid date and time')
  return date.getTime() + ((hour * 60 + minute) * 60 + second) * 1000
}
