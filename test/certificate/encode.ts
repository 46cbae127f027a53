/*
 * DER written by hand, so that every field of a certificate can be wrong in every way.
 */

/** Encodes a DER element with the shortest length. */
export function tlv(tag: number, ...parts: readonly (Buffer | string)[]): Buffer {
  const content = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)))
  if (content.length < 0x80) return Buffer.concat([Buffer.from([tag, content.length]), content])
  const length = Buffer.from(content.length.toString(16).padStart(6, '0'), 'hex')
  const shortest = length.subarray(length.findIndex((byte) => byte !== 0))
  return Buffer.concat([Buffer.from([tag, 0x80 | shortest.length]), shortest, content])
}

export const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')
export const sequence = (...parts: readonly Buffer[]): Buffer => tlv(0x30, ...parts)
export const bitString = (bytes: Buffer, unused = 0): Buffer => tlv(0x03, Buffer.from([unused]), bytes)
export const nullValue: Buffer = tlv(0x05)

export function integer(value: number): Buffer {
  const digits = value.toString(16)
  const bytes = hex(digits.length % 2 === 0 ? digits : `0${digits}`)
  return tlv(0x02, ...(bytes.readUInt8(0) < 0x80 ? [bytes] : [Buffer.from([0]), bytes]))
}

export function objectIdentifier(text: string): Buffer {
  const [first = 0n, second = 0n, ...arcs] = text.split('.').map(BigInt)
  return tlv(0x06, ...[first * 40n + second, ...arcs].map(encodeArc))
}

function encodeArc(arc: bigint): Buffer {
  const bytes = [Number(arc & 0x7fn)]
  for (let rest = arc >> 7n; rest > 0n; rest >>= 7n) bytes.unshift(Number(rest & 0x7fn) | 0x80)
  return Buffer.from(bytes)
}

/** Encodes a time as in RFC 5280: UTCTime to 2049, GeneralizedTime after. */
export function time(moment: number): Buffer {
  const digits = new Date(moment).toISOString().replace(/[-:T]|\.\d+/g, '')
  return digits < '2050' ? tlv(0x17, digits.slice(2)) : tlv(0x18, digits)
}

const attributeTypes: Readonly<Record<string, string>> = {
  CN: '2.5.4.3',
  C: '2.5.4.6',
  O: '2.5.4.10',
  OU: '2.5.4.11',
  DC: '0.9.2342.19200300.100.1.25',
  E: '1.2.840.113549.1.9.1',
}

/**
 * Encodes an attribute: `CN=core-api`, or another OID, as UTF8String (an e-mail address as IA5String) or with another
 * tag.
 */
export function attribute(text: string, tag = text.startsWith('E=') ? 0x16 : 0x0c): Buffer {
  const [type = '', value = ''] = text.split(/=(.*)/s)
  return sequence(objectIdentifier(attributeTypes[type] ?? type), tlv(tag, Buffer.from(value)))
}

/** Encodes a Name of relative names with one attribute each, outermost first: `name('C=US', 'O=SPIRE')`. */
export function name(...relativeNames: readonly (string | Buffer)[]): Buffer {
  return sequence(...relativeNames.map((text) => tlv(0x31, typeof text === 'string' ? attribute(text) : text)))
}

/** Encodes general names by their tags (RFC 5280 §4.2.1.6). */
export const generalName = {
  other: (): Buffer => tlv(0xa0, objectIdentifier('1.3.6.1.4.1.311.20.2.3'), tlv(0xa0, tlv(0x0c, 'x'))),
  email: (value: string): Buffer => tlv(0x81, value),
  dns: (value: string): Buffer => tlv(0x82, value),
  x400: (): Buffer => tlv(0xa3, nullValue),
  directory: (value: Buffer): Buffer => tlv(0xa4, value),
  ediParty: (): Buffer => tlv(0xa5, tlv(0xa1, tlv(0x0c, 'x'))),
  uri: (value: string): Buffer => tlv(0x86, value),
  ip: (value: string): Buffer => tlv(0x87, hex(value)),
  registeredId: (): Buffer => tlv(0x88, hex('2a0304')),
}

export function extension(type: string, value: Buffer, critical = false): Buffer {
  return sequence(objectIdentifier(type), ...(critical ? [tlv(0x01, hex('ff'))] : []), tlv(0x04, value))
}

export function basicConstraints(cA: boolean, pathLength?: number): Buffer {
  const parts = [...(cA ? [tlv(0x01, hex('ff'))] : []), ...(pathLength === undefined ? [] : [integer(pathLength)])]
  return extension('2.5.29.19', sequence(...parts), true)
}

/** Encodes key usages by bit number, starting with 0: `keyUsage(5, 6)` is keyCertSign and cRLSign. */
export function keyUsage(...bits: readonly number[]): Buffer {
  const value = bits.reduce((sum, bit) => sum | (1 << (15 - bit)), 0)
  const bytes = Buffer.from([value >> 8, value & 0xff])
  return extension('2.5.29.15', (value & 0xff) === 0 ? bitString(bytes.subarray(0, 1)) : bitString(bytes), true)
}

export function extendedKeyUsage(...usages: readonly string[]): Buffer {
  return extension('2.5.29.37', sequence(...usages.map(objectIdentifier)))
}

export function subjectAlternativeName(...names: readonly Buffer[]): Buffer {
  return extension('2.5.29.17', sequence(...names))
}

export function nameConstraints(lists: { permitted?: readonly Buffer[]; excluded?: readonly Buffer[] }): Buffer {
  const wrap = (tag: number, bases?: readonly Buffer[]): readonly Buffer[] =>
    bases === undefined ? [] : [tlv(tag, ...bases.map((base) => sequence(base)))]
  return extension('2.5.29.30', sequence(...wrap(0xa0, lists.permitted), ...wrap(0xa1, lists.excluded)), true)
}

export const subjectKeyId = (id: string): Buffer => extension('2.5.29.14', tlv(0x04, hex(id)))
export const authorityKeyId = (id: string): Buffer => extension('2.5.29.35', sequence(tlv(0x80, hex(id))))
