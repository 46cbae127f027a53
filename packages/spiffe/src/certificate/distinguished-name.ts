import { isAscii, isUtf8 } from 'node:buffer'
import type { DistinguishedName } from './certificate.ts'
import { type DerElement, derTag, refuseMalformed } from './der.ts'
import { DerReader, enterOnly } from './der-reader.ts'
import { decodeObjectIdentifier } from './der-values.ts'

/**
 * Reads a Name (RFC 5280 §4.1.2.4) from its encoding.
 *
 * @throws {CertificateError} `certificate_malformed`, also for text that its string type does not allow or that
 * contains a NUL, behind which other readers would stop
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
      // Other readers may know the type of a text that we do not, and take that common name for the one.
      if (type === commonName) commonNames.push(text ?? '')
      // RFC 5280 §4.1.2.6 knows e-mail addresses as IA5String alone; OpenSSL, too, judges no other.
      if (type === emailAddress)
        emailAddresses.push(value.tag === derTag.ia5String ? value.content.toString('latin1') : '')
    }
    // A NUL cannot be part of an attribute, so the joined text can be read in one way only.
    relativeNames.push(attributes.map(foldAttribute).toSorted().join('\0'))
    texts.push(attributes.map(renderAttribute).join('+'))
  }
  return { der, relativeNames, text: texts.toReversed().join(','), commonNames, emailAddresses }
}

/** A key for maps: equal for names that are equal by RFC 5280 §7.1, and for no others. */
export function keyOfName({ relativeNames }: DistinguishedName): string {
  return JSON.stringify(relativeNames)
}

/** Whether two names are equal by RFC 5280 §7.1. */
export function isSameName(one: DistinguishedName, other: DistinguishedName): boolean {
  return one.relativeNames.length === other.relativeNames.length && isWithinName(one, other)
}

/** Whether a name lies in the subtree below another, which includes that name itself (RFC 5280 §4.2.1.10). */
export function isWithinName(name: DistinguishedName, base: DistinguishedName): boolean {
  return base.relativeNames.every((relativeName, index) => relativeName === name.relativeNames[index])
}

interface Attribute {
  readonly type: string
  readonly value: DerElement
  /** Absent for a value that is not of a string type that we read. */
  readonly text: string | undefined
}

const commonName = '2.5.4.3'
const emailAddress = '1.2.840.113549.1.9.1'

function decodeAttribute(element: DerElement, where: string): Attribute {
  const fields = new DerReader(element.content, where)
  if (element.tag !== derTag.sequence) refuseMalformed(where, 'an attribute that is no sequence', 'type and value')
  const type = decodeObjectIdentifier(fields.next(derTag.objectIdentifier), where)
  const value = fields.nextOfAny()
  fields.end()
  return { type, value, text: decodeText(value, where) }
}

function decodeText({ tag, content }: DerElement, where: string): string | undefined {
  if (content.includes(0) && tag !== derTag.bmpString && stringTags.has(tag)) {
    refuseMalformed(where, 'a NUL inside a text', 'text without it')
  }
  switch (tag) {
    case derTag.utf8String:
      if (!isUtf8(content)) refuseMalformed(where, 'a text with broken UTF-8', 'UTF-8')
      return content.toString('utf8')
    case derTag.printableString:
    case derTag.numericString:
    case derTag.visibleString:
    case derTag.ia5String:
      if (!isAscii(content)) refuseMalformed(where, 'a text with bytes beyond ASCII', 'ASCII, as its type says')
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
  if (content.length % 2 !== 0) refuseMalformed(where, 'half a character in a BMPString', 'two bytes for each')
  const text = Buffer.from(content).swap16().toString('utf16le')
  if (text.includes('\0')) refuseMalformed(where, 'a NUL inside a text', 'text without it')
  return text
}

/**
 * Folds case in ASCII and white space only, as OpenSSL does, and not the whole of RFC 4518: so no name is found equal
 * that OpenSSL finds different.
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

/** RFC 4514 §3, and the two that certificates carry besides. */
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
