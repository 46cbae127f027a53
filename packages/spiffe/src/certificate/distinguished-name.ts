import { isAscii, isUtf8 } from 'node:buffer'
import type { DistinguishedName } from './certificate.ts'
import { type DerElement, derTag, refuseMalformed } from './der.ts'
import { DerReader, enterOnly } from './der-reader.ts'
import { decodeObjectIdentifier } from './der-values.ts'

/**
 * Decodes a Name (RFC 5280 §4.1.2.4).
 *
 * @throws {CertificateError} `certificate_malformed`, also for text that its string type does not allow or that
 * contains a NUL, where other parsers would stop
 */
export function decodeDistinguishedName(der: Buffer, where: string): DistinguishedName {
  const relativeNames: string[] = []
  const texts: string[] = []
  const commonNames: string[] = []
  const emailAddresses: string[] = []
  const sequence = enterOnly(der, derTag.sequence, where)
  while (!sequence.done) {
    const attributes = sequence
      .enter(derTag.set, where)
      .rest()
      .map((element) => decodeAttribute(element, where))
    for (const { type, value, text } of attributes) {
      // Counted even without a text: other parsers may support its string type and use it as the common name.
      if (type === commonName) commonNames.push(text ?? '')
      // RFC 5280 §4.1.2.6 allows e-mail addresses only as IA5String, and OpenSSL ignores all others too.
      if (type === emailAddress)
        emailAddresses.push(value.tag === derTag.ia5String ? value.content.toString('latin1') : '')
    }
    // A NUL cannot be part of an attribute, so the joined text is unambiguous.
    relativeNames.push(attributes.map(foldAttribute).toSorted().join('\0'))
    texts.push(attributes.map(renderAttribute).join('+'))
  }
  return { der, relativeNames, text: texts.toReversed().join(','), commonNames, emailAddresses }
}

/** Returns a key for maps. It is equal only for names that are equal by RFC 5280 §7.1. */
export function keyOfName({ relativeNames }: DistinguishedName): string {
  return JSON.stringify(relativeNames)
}

/** Returns true if two names are equal by RFC 5280 §7.1. */
export function isSameName(one: DistinguishedName, other: DistinguishedName): boolean {
  return one.relativeNames.length === other.relativeNames.length && isWithinName(one, other)
}

/** Returns true if a name is in the subtree of another one, which includes that name itself (RFC 5280 §4.2.1.10). */
export function isWithinName(name: DistinguishedName, base: DistinguishedName): boolean {
  return base.relativeNames.every((relativeName, index) => relativeName === name.relativeNames[index])
}

interface Attribute {
  readonly type: string
  readonly value: DerElement
  /** Undefined for a value of an unsupported string type. */
  readonly text: string | undefined
}

const commonName = '2.5.4.3'
const emailAddress = '1.2.840.113549.1.9.1'

function decodeAttribute(element: DerElement, where: string): Attribute {
  const fields = new DerReader(element.content, where)
  if (element.tag !== derTag.sequence) refuseMalformed(where, 'an attribute that is not a sequence', 'type and value')
  const type = decodeObjectIdentifier(fields.next(derTag.objectIdentifier), where)
  const value = fields.nextOfAny()
  fields.end()
  return { type, value, text: decodeText(value, where) }
}

function decodeText({ tag, content }: DerElement, where: string): string | undefined {
  if (content.includes(0) && tag !== derTag.bmpString && stringTags.has(tag)) {
    refuseMalformed(where, 'a NUL inside a string', 'a string without NUL')
  }
  switch (tag) {
    case derTag.utf8String:
      if (!isUtf8(content)) refuseMalformed(where, 'a string with invalid UTF-8', 'valid UTF-8')
      return content.toString('utf8')
    case derTag.printableString:
    case derTag.numericString:
    case derTag.visibleString:
    case derTag.ia5String:
      if (!isAscii(content))
        refuseMalformed(where, 'a string with bytes that are not ASCII', 'ASCII, as its type requires')
      return content.toString('latin1')
    case derTag.teletexString:
      return content.toString('latin1')
    case derTag.bmpString:
      return decodeBmpString(content, where)
    default:
      return undefined
  }
}

const stringTags: ReadonlySet<number> = new Set([
  derTag.utf8String,
  derTag.printableString,
  derTag.numericString,
  derTag.visibleString,
  derTag.ia5String,
  derTag.teletexString,
])

function decodeBmpString(content: Buffer, where: string): string {
  if (content.length % 2 !== 0)
    refuseMalformed(where, 'a BMPString with an odd number of bytes', 'two bytes per character')
  const text = Buffer.from(content).swap16().toString('utf16le')
  if (text.includes('\0')) refuseMalformed(where, 'a NUL inside a string', 'a string without NUL')
  return text
}

/**
 * Normalizes only ASCII case and white space, as OpenSSL does, and not all of RFC 4518. So names that differ for
 * OpenSSL are never equal here.
 */
function foldAttribute({ type, value, text }: Attribute): string {
  if (text === undefined) return `${type}#${value.encoded.toString('hex')}`
  const folded = text.replace(/[\t-\r ]+/g, ' ').replace(/^ | $/g, '')
  return `${type}=${folded.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())}`
}

function renderAttribute({ type, value, text }: Attribute): string {
  const name = shortNames.get(type) ?? type
  return `${name}=${text === undefined ? `#${value.encoded.toString('hex')}` : text.replace(/[\\,+"<>;=]/g, '\\$&')}`
}

/** The names of RFC 4514 §3, and two more that are common in certificates. */
const shortNames: ReadonlyMap<string, string> = new Map([
  [commonName, 'CN'],
  ['2.5.4.5', 'serialNumber'],
  ['2.5.4.6', 'C'],
  ['2.5.4.7', 'L'],
  ['2.5.4.8', 'ST'],
  ['2.5.4.9', 'STREET'],
  ['2.5.4.10', 'O'],
  ['2.5.4.11', 'OU'],
  ['0.9.2342.19200300.100.1.1', 'UID'],
  ['0.9.2342.19200300.100.1.25', 'DC'],
  [emailAddress, 'emailAddress'],
])
