import { randomBytes } from 'node:crypto'

// The decorators of the X.509 library fail on import without this polyfill.
import 'reflect-metadata'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  Extension,
  Name,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { encodeAlternativeNames, encodeNameConstraints } from './alternative-names.ts'
import type { Blueprint, DistinguishedNames, ExtendedKeyUsageName } from './blueprint.ts'
import { createKey, type TestKey } from './key.ts'
import { encodeKeyUsages } from './key-usages.ts'

/** The name and key that sign. */
export interface Signer {
  readonly subject: DistinguishedNames
  readonly key: TestKey
}

/** A signed certificate and the key that it certifies. */
export interface SignedCertificate {
  readonly der: Buffer
  readonly key: TestKey
  /** Lower-case hex. */
  readonly serialNumber: string
}

/** Creates exactly the certificate that the blueprint describes. Without a signer, it is self-signed. */
export async function signCertificate(blueprint: Blueprint, signer?: Signer): Promise<SignedCertificate> {
  const key = blueprint.key ?? (await createKey(blueprint.keyType))
  const issuer = signer === undefined || blueprint.selfSigned ? { subject: blueprint.subject, key } : signer
  const serialNumber = createSerialNumber()
  const certificate = await X509CertificateGenerator.create({
    serialNumber,
    subject: createName(blueprint.subject),
    issuer: createName(issuer.subject),
    notBefore: new Date(blueprint.notBefore),
    notAfter: new Date(blueprint.notAfter),
    publicKey: key.spki,
    signingKey: await issuer.key.signingKey(blueprint.signatureHash),
    signingAlgorithm: { name: 'ECDSA', hash: issuer.key.hashName(blueprint.signatureHash) },
    extensions: createExtensions(blueprint, key, issuer.key),
  })
  return { der: blueprint.damage(Buffer.from(certificate.rawData)), key, serialNumber }
}

function createExtensions(blueprint: Blueprint, key: TestKey, issuerKey: TestKey): Extension[] {
  const extensions: Extension[] = []
  if (blueprint.basicConstraints !== null) {
    const { cA, pathLength } = blueprint.basicConstraints
    extensions.push(new BasicConstraintsExtension(cA, pathLength, true))
  }
  if (blueprint.keyUsages !== null) {
    extensions.push(new Extension('2.5.29.15', blueprint.keyUsagesCritical, encodeKeyUsages(blueprint.keyUsages)))
  }
  if (blueprint.extendedKeyUsages !== null) {
    const usages = blueprint.extendedKeyUsages.map((usage) => extendedKeyUsageIds.get(usage) ?? usage)
    extensions.push(new ExtendedKeyUsageExtension(usages, false))
  }
  if (blueprint.keyIdentifiers) {
    extensions.push(new SubjectKeyIdentifierExtension(key.keyId, false))
    extensions.push(new AuthorityKeyIdentifierExtension(issuerKey.keyId, false))
  }
  if (blueprint.alternativeNames.length > 0) {
    const names = encodeAlternativeNames(blueprint.alternativeNames, encodeName)
    extensions.push(new Extension('2.5.29.17', blueprint.alternativeNamesCritical, names))
  }
  if (blueprint.nameConstraints !== null) {
    extensions.push(new Extension('2.5.29.30', true, encodeNameConstraints(blueprint.nameConstraints, encodeName)))
  }
  for (const { oid, critical = false, value = asn1Null } of blueprint.extensions) {
    extensions.push(new Extension(oid, critical, value))
  }
  return extensions
}

function createName(names: DistinguishedNames): Name {
  const relativeNames = Object.entries(names).flatMap(([type, values]) =>
    (typeof values === 'string' ? [values] : values).map((value) => ({ [type]: [createAttributeValue(type, value)] })),
  )
  return new Name(relativeNames)
}

/** Returns a typed value, which the library uses unchanged; it would unescape a plain string and interpret quotes. */
function createAttributeValue(
  type: string,
  value: string,
): { ia5String: string } | { printableString: string } | { utf8String: string } {
  if (type === 'DC' || type === 'E') return { ia5String: value }
  return /^[A-Za-z0-9 '()+,./:=?-]*$/.test(value) ? { printableString: value } : { utf8String: value }
}

function encodeName(names: DistinguishedNames): Buffer {
  return Buffer.from(createName(names).toArrayBuffer())
}

/**
 * Returns 127 bits with the highest one set, so that the number is positive and every tool prints it with the same
 * length.
 */
function createSerialNumber(): string {
  const bytes = randomBytes(16)
  bytes.writeUInt8((bytes.readUInt8(0) & 0x7f) | 0x40, 0)
  return bytes.toString('hex')
}

const asn1Null = Buffer.of(5, 0)

const extendedKeyUsages: Readonly<Record<ExtendedKeyUsageName, string>> = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  codeSigning: '1.3.6.1.5.5.7.3.3',
  anyExtendedKeyUsage: '2.5.29.37.0',
}
const extendedKeyUsageIds: ReadonlyMap<string, string> = new Map(Object.entries(extendedKeyUsages))
