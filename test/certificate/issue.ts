import { generateKeyPairSync, type KeyObject, sign, webcrypto } from 'node:crypto'
import 'reflect-metadata'
import * as x509 from '@peculiar/x509'
import {
  basicConstraints,
  bitString,
  extendedKeyUsage,
  generalName,
  hex,
  integer,
  keyUsage,
  name,
  nullValue,
  objectIdentifier,
  sequence,
  subjectAlternativeName,
  time,
  tlv,
} from './encode.ts'

/*
 * Certificates for the tests of certificate/: from fields written by hand, or by @peculiar/x509, so that what we read
 * was not written by us.
 */

export interface KeyPair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

export type KeyType = 'P-256' | 'P-384' | 'P-521' | 'RSA-2048' | 'RSA-1024' | 'RSA-PSS' | 'Ed25519' | 'P-224' | 'Ed448'

const keyPairs = new Map<string, KeyPair>()

/** The key pair of this type and number, created once per test process. */
export function keyPair(type: KeyType = 'P-256', number = 0): KeyPair {
  const label = `${type} ${number}`
  const pair = keyPairs.get(label) ?? createKeyPair(type)
  keyPairs.set(label, pair)
  return pair
}

function createKeyPair(type: KeyType): KeyPair {
  if (type === 'Ed25519') return generateKeyPairSync('ed25519')
  if (type === 'Ed448') return generateKeyPairSync('ed448')
  if (type === 'RSA-2048') return generateKeyPairSync('rsa', { modulusLength: 2048 })
  if (type === 'RSA-1024') return generateKeyPairSync('rsa', { modulusLength: 1024 })
  if (type === 'RSA-PSS') return generateKeyPairSync('rsa-pss', { modulusLength: 2048 })
  return generateKeyPairSync('ec', { namedCurve: type })
}

/** An algorithm identifier and its signing function. */
export interface Signer {
  readonly algorithm: Buffer
  readonly sign: (bytes: Buffer) => Buffer
}

/** The default algorithm of a key, or with another hash. */
export function signer(privateKey: KeyObject, hash: Hash = 'sha256'): Signer {
  const type = privateKey.asymmetricKeyType
  if (type === 'ec') return signerOf(sequence(objectIdentifier(ecdsaAlgorithms[hash])), hash, privateKey)
  if (type === 'rsa') return signerOf(sequence(objectIdentifier(rsaAlgorithms[hash]), nullValue), hash, privateKey)
  const algorithm = type === 'ed25519' ? '1.3.101.112' : '1.3.101.113'
  return signerOf(sequence(objectIdentifier(algorithm)), null, privateKey)
}

type Hash = 'sha1' | 'sha224' | 'sha256' | 'sha384' | 'sha512'

const ecdsaAlgorithms: Readonly<Record<Hash, string>> = {
  sha1: '1.2.840.10045.4.1',
  sha224: '1.2.840.10045.4.3.1',
  sha256: '1.2.840.10045.4.3.2',
  sha384: '1.2.840.10045.4.3.3',
  sha512: '1.2.840.10045.4.3.4',
}

const rsaAlgorithms: Readonly<Record<Hash, string>> = {
  sha1: '1.2.840.113549.1.1.5',
  sha224: '1.2.840.113549.1.1.14',
  sha256: '1.2.840.113549.1.1.11',
  sha384: '1.2.840.113549.1.1.12',
  sha512: '1.2.840.113549.1.1.13',
}

export function signerOf(algorithm: Buffer, hash: string | null, key: KeyObject): Signer {
  return { algorithm, sign: (bytes) => sign(hash, bytes, key) }
}

/** The encoded fields of a certificate; omitted ones are valid. */
export interface Fields {
  readonly version: Buffer
  readonly serialNumber: Buffer
  /** The algorithm inside the signed part; by default the same as outside. */
  readonly signedAlgorithm: Buffer
  readonly issuer: Buffer
  readonly notBefore: Buffer
  readonly notAfter: Buffer
  readonly subject: Buffer
  readonly publicKey: Buffer
  readonly uniqueIds: Buffer
  /** Encoded extensions; null omits the field. */
  readonly extensions: readonly Buffer[] | null
  readonly signer: Signer
  /** Changes the finished signature. */
  readonly damage: (signature: Buffer) => Buffer
}

/** The current time in all tests: 2026-06-01T12:00:00Z. */
export const now: number = Date.UTC(2026, 5, 1, 12)
const hour = 3_600_000

export const exportKey = ({ publicKey }: KeyPair): Buffer => publicKey.export({ type: 'spki', format: 'der' })

/** Creates a signed certificate from its fields. */
export function encodeCertificate(fields: Partial<Fields> = {}): Buffer {
  const { signer: by = signer(keyPair().privateKey), extensions = [basicConstraints(false)] } = fields
  const signed = sequence(
    fields.version ?? tlv(0xa0, integer(2)),
    fields.serialNumber ?? integer(1),
    fields.signedAlgorithm ?? by.algorithm,
    fields.issuer ?? name('O=Authority'),
    sequence(fields.notBefore ?? time(now - hour), fields.notAfter ?? time(now + hour)),
    fields.subject ?? name('O=Workload'),
    fields.publicKey ?? exportKey(keyPair()),
    fields.uniqueIds ?? Buffer.alloc(0),
    ...(extensions === null ? [] : [tlv(0xa3, sequence(...extensions))]),
  )
  const signature = by.sign(signed)
  return sequence(signed, by.algorithm, bitString(fields.damage?.(signature) ?? signature))
}

export const clientAuth = '1.3.6.1.5.5.7.3.2'
export const serverAuth = '1.3.6.1.5.5.7.3.1'
export const anyUsage = '2.5.29.37.0'

/** A name with a key that can sign. */
export interface Entity {
  readonly name: Buffer
  readonly keys: KeyPair
}

export function entity(commonName: string, type: KeyType = 'P-256', number = 0): Entity {
  return { name: name('O=Test', `CN=${commonName}`), keys: keyPair(type, number) }
}

/** The extensions of a certificate; each can be replaced, or removed with null. */
type Extensions = Readonly<Record<string, Buffer | null>>

function listExtensions(standard: Extensions, changed: Extensions): readonly Buffer[] {
  return Object.values({ ...standard, ...changed }).filter((value) => value !== null)
}

/** Creates a certificate for an authority, signed by itself or by another. */
export function issueAuthority(subject: Entity, { by = subject, extensions = {}, fields = {} }: Issue = {}): Buffer {
  const standard = { basicConstraints: basicConstraints(true), keyUsage: keyUsage(5, 6) }
  return issue(subject, by, listExtensions(standard, extensions), fields)
}

/** Creates a certificate for a workload. */
export function issueLeaf(subject: Entity, { by = subject, extensions = {}, fields = {} }: Issue): Buffer {
  const standard = {
    basicConstraints: basicConstraints(false),
    keyUsage: keyUsage(0),
    extendedKeyUsage: extendedKeyUsage(serverAuth, clientAuth),
    names: subjectAlternativeName(generalName.uri('spiffe://saas.example/ns/production/sa/core-api')),
  }
  return issue(subject, by, listExtensions(standard, extensions), fields)
}

export interface Issue {
  readonly by?: Entity
  readonly extensions?: Extensions
  readonly fields?: Partial<Fields>
}

let serial = 0x1000

function issue(subject: Entity, by: Entity, extensions: readonly Buffer[], fields: Partial<Fields>): Buffer {
  serial += 1
  return encodeCertificate({
    serialNumber: integer(serial),
    issuer: by.name,
    subject: subject.name,
    publicKey: exportKey(subject.keys),
    signer: signer(by.keys.privateKey),
    extensions,
    ...fields,
  })
}

/** A certificate from another library, with all extensions that we read except name constraints. */
export async function issueByLibrary(options: {
  readonly subject: string
  readonly issuer: string
  readonly keyType: 'P-256' | 'P-384' | 'RSA-2048'
  readonly cA: boolean
  readonly pathLength?: number
  readonly names: readonly { readonly type: 'dns' | 'url' | 'email' | 'ip' | 'dn'; readonly value: string }[]
  readonly notBefore: number
  readonly notAfter: number
}): Promise<x509.X509Certificate> {
  x509.cryptoProvider.set(webcrypto)
  const isRsa = options.keyType === 'RSA-2048'
  const algorithm = isRsa
    ? { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent: hex('010001'), modulusLength: 2048 }
    : { name: 'ECDSA', namedCurve: options.keyType, hash: 'SHA-384' }
  const { publicKey, privateKey } = keyPair(options.keyType)
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' })
  const key = await webcrypto.subtle.importKey('spki', spki, algorithm, true, ['verify'])
  const usages = options.cA ? x509.KeyUsageFlags.keyCertSign : x509.KeyUsageFlags.digitalSignature
  return x509.X509CertificateGenerator.create({
    serialNumber: '0a0b0c',
    subject: options.subject,
    issuer: options.issuer,
    notBefore: new Date(options.notBefore),
    notAfter: new Date(options.notAfter),
    publicKey: key,
    signingKey: await webcrypto.subtle.importKey('pkcs8', pkcs8, algorithm, true, ['sign']),
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(options.cA, options.pathLength, true),
      new x509.KeyUsagesExtension(usages, true),
      new x509.ExtendedKeyUsageExtension([serverAuth, clientAuth]),
      new x509.SubjectAlternativeNameExtension([...options.names]),
      await x509.SubjectKeyIdentifierExtension.create(key),
      await x509.AuthorityKeyIdentifierExtension.create(key),
    ],
  })
}
