import { createHmac, timingSafeEqual } from 'node:crypto'
import { type DerElement, derTag } from '../../certificate/der.ts'
import { DerReader, enterOnly } from '../../certificate/der-reader.ts'
import { decodeObjectIdentifier, decodeUnsigned } from '../../certificate/der-values.ts'
import { CertificateError } from '../../errors.ts'
import { normalizeBer } from './ber.ts'
import { decryptContent, digests, type Opener, readAlgorithm, refuseAlgorithm } from './decrypt-content.ts'
import { KeyDerivation, type Secret } from './derive-key.ts'

/** The bags of a store, in their order. */
export interface OpenStore {
  /** PKCS#8 DER. */
  readonly keys: readonly Buffer[]
  /** DER. */
  readonly certificates: readonly Buffer[]
}

/**
 * Opens a PKCS#12 store (RFC 7292 §4). A store without a MAC can be created without a passphrase, and no key is derived
 * for it, so stricter rules apply. No passphrase may be configured, nothing may be encrypted, and only DER is accepted,
 * so that no data is hidden in a constructed string.
 *
 * @throws {CertificateError} `key_store_malformed`, `key_store_unsupported`, `passphrase_missing`, `passphrase_wrong`;
 * `certificate_malformed` for a broken structure
 */
export function openStore(bytes: Buffer, passphrase: string | undefined): OpenStore {
  const fields = enterOnly(normalizeBer(bytes), derTag.sequence, where)
  const version = decodeUnsigned(fields.next(derTag.integer), where)
  if (version !== 3) refuse(`version ${version}`, 'version 3')
  const { type, value } = readContentInfo(fields.next(derTag.sequence))
  const mac = fields.nextIf(derTag.sequence)
  fields.end()
  if (type !== contentType.data) refuseAlgorithm(type)
  const content = value.next(derTag.octetString).content
  value.end()
  if (mac === undefined) {
    if (passphrase !== undefined) refuse('no MAC although a passphrase is configured', expectedMac)
    requireDer(bytes)
    return readParts(content, undefined)
  }
  if (passphrase === undefined) {
    throw new CertificateError('passphrase_missing', 'key store: found a MAC, expected its passphrase')
  }
  return readParts(content, verifyMac(mac, content, passphrase))
}

const where = 'key store'
const expectedMac = 'a MAC made with the passphrase; export the store with a MAC, or configure it without a passphrase'
const contentType = { data: '1.2.840.113549.1.7.1', encryptedData: '1.2.840.113549.1.7.6' } as const

function verifyMac(mac: DerElement, content: Buffer, passphrase: string): Opener {
  const fields = new DerReader(mac.content, 'MAC')
  const info = fields.enter(derTag.sequence, 'MAC')
  const salt = fields.next(derTag.octetString).content
  const iterations = fields.done ? 1 : decodeUnsigned(fields.next(derTag.integer), 'MAC')
  fields.end()
  const { oid } = readAlgorithm(info.next(derTag.sequence))
  const expected = info.next(derTag.octetString).content
  info.end()
  const hash = digests.get(oid) ?? refuseAlgorithm(oid)
  const derivation = new KeyDerivation()
  for (const secret of listSecrets(passphrase)) {
    const key = derivation.deriveMacKey(secret, { hash, salt, iterations })
    const found = createHmac(hash.name, key).update(content).digest()
    if (found.length === expected.length && timingSafeEqual(found, expected)) return { secret, derivation }
  }
  throw new CertificateError('passphrase_wrong', 'key store: the passphrase does not match the MAC')
}

function listSecrets(passphrase: string): readonly Secret[] {
  const utf8 = Buffer.from(passphrase, 'utf8')
  const secret = { utf8, utf16: Buffer.from(`${passphrase}\0`, 'utf16le').swap16() }
  // Empty text has two encodings, a terminator alone or no bytes, and programs write both.
  return passphrase === '' ? [secret, { utf8, utf16: Buffer.alloc(0) }] : [secret]
}

/** Reads the bags. `opener` is undefined for a store without a MAC. */
function readParts(content: Buffer, opener: Opener | undefined): OpenStore {
  const keys: Buffer[] = []
  const certificates: Buffer[] = []
  for (const part of readSequence(content, opener)) {
    for (const bag of readSequence(readPart(part, opener), opener)) {
      const read = readBag(bag, opener)
      if (read.kind === 'key') keys.push(read.der)
      else certificates.push(read.der)
    }
  }
  return { keys, certificates }
}

/** Returns the elements of a SEQUENCE inside a string. */
function readSequence(bytes: Buffer, opener: Opener | undefined): readonly DerElement[] {
  if (opener === undefined) requireDer(bytes)
  const fields = enterOnly(normalizeBer(bytes), derTag.sequence, where)
  return fields.done ? [] : fields.rest()
}

function requireDer(bytes: Buffer): void {
  if (!normalizeBer(bytes).equals(bytes))
    refuse('a constructed string or a length that is not DER in a store without a MAC', 'DER')
}

function readPart(part: DerElement, opener: Opener | undefined): Buffer {
  const { type, value } = readContentInfo(part)
  if (type === contentType.data) return readOnly(value, derTag.octetString).content
  if (opener === undefined) return refuseUnprotected()
  if (type !== contentType.encryptedData) return refuseAlgorithm(type)
  const fields = new DerReader(readOnly(value, derTag.sequence).content, where)
  fields.next(derTag.integer)
  const info = fields.enter(derTag.sequence, where)
  const innerType = decodeObjectIdentifier(info.next(derTag.objectIdentifier), where)
  if (innerType !== contentType.data) refuseAlgorithm(innerType)
  const algorithm = info.next(derTag.sequence)
  const data = info.nextOfAny()
  info.end()
  return decryptContent(algorithm, joinPieces(data), opener)
}

/** Reads [0] IMPLICIT OCTET STRING, which BER may split into pieces. */
function joinPieces({ tag, content }: DerElement): Buffer {
  if (tag === 0x80) return content
  if (tag !== 0xa0) return refuse(`the tag ${tag} instead of encrypted content`, 'an octet string')
  const pieces = new DerReader(content, where).rest()
  if (pieces.some((piece) => piece.tag !== derTag.octetString))
    refuse('a part of a string that has another type', 'octet strings')
  return Buffer.concat(pieces.map((piece) => piece.content))
}

const bagType = {
  key: '1.2.840.113549.1.12.10.1.1',
  shroudedKey: '1.2.840.113549.1.12.10.1.2',
  certificate: '1.2.840.113549.1.12.10.1.3',
} as const
const x509Certificate = '1.2.840.113549.1.9.22.1'

interface Bag {
  readonly kind: 'key' | 'certificate'
  readonly der: Buffer
}

/** Reads a bag (§4.2). Ignores its attributes, which are display names. */
function readBag(bag: DerElement, opener: Opener | undefined): Bag {
  const fields = new DerReader(bag.content, 'bag')
  const type = decodeObjectIdentifier(fields.next(derTag.objectIdentifier), 'bag')
  const value = fields.enter(0xa0, 'bag')
  fields.nextIf(derTag.set)
  fields.end()
  switch (type) {
    case bagType.key:
      return { kind: 'key', der: readOnly(value, derTag.sequence).encoded }
    case bagType.shroudedKey:
      return { kind: 'key', der: openKey(readOnly(value, derTag.sequence), opener) }
    case bagType.certificate:
      return { kind: 'certificate', der: readCertificate(readOnly(value, derTag.sequence)) }
    default:
      return refuseAlgorithm(type)
  }
}

function openKey({ content }: DerElement, opener: Opener | undefined): Buffer {
  if (opener === undefined) return refuseUnprotected()
  const fields = new DerReader(content, 'key')
  const algorithm = fields.next(derTag.sequence)
  const data = fields.next(derTag.octetString).content
  fields.end()
  const der = decryptContent(algorithm, data, opener)
  enterOnly(der, derTag.sequence, 'key')
  return der
}

function readCertificate({ content }: DerElement): Buffer {
  const { type, value } = readTyped(new DerReader(content, 'certificate'))
  if (type !== x509Certificate) refuseAlgorithm(type)
  const der = readOnly(value, derTag.octetString).content
  enterOnly(der, derTag.sequence, 'certificate')
  return der
}

interface Typed {
  readonly type: string
  readonly value: DerReader
}

function readContentInfo({ content }: DerElement): Typed {
  return readTyped(new DerReader(content, where))
}

/** Reads an object identifier and its [0] EXPLICIT value. */
function readTyped(fields: DerReader): Typed {
  const type = decodeObjectIdentifier(fields.next(derTag.objectIdentifier), where)
  const value = fields.enter(0xa0, where)
  fields.end()
  return { type, value }
}

function readOnly(fields: DerReader, tag: number): DerElement {
  const element = fields.next(tag)
  fields.end()
  return element
}

function refuseUnprotected(): never {
  return refuse('encrypted content without a MAC, which anyone could have changed', 'a MAC as well')
}

function refuse(found: string, expected: string): never {
  throw new CertificateError('key_store_malformed', `key store: found ${found}, expected ${expected}`)
}
