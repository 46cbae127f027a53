import type { Certificate, DistinguishedName, KeyUsageName, NameConstraints } from './certificate.ts'
import { type DerElement, derTag, refuseMalformed } from './der.ts'
import { DerReader, enterOnly } from './der-reader.ts'
import {
  decodeBoolean,
  decodeNamedBits,
  decodeObjectIdentifier,
  decodeSerialNumber,
  decodeUnsigned,
} from './der-values.ts'
import { decodeDistinguishedName } from './distinguished-name.ts'
import { decodeConstraintBase, decodeSubjectName } from './general-name.ts'
import {
  type CertificatePolicies,
  decodeInhibitAnyPolicy,
  decodePolicies,
  decodePolicyConstraints,
  decodePolicyMappings,
} from './policies.ts'

/** The decoded extensions; each field as in `Certificate`. */
export type CertificateExtensions = Pick<
  Certificate,
  | 'basicConstraints'
  | 'keyUsage'
  | 'extendedKeyUsage'
  | 'subjectAlternativeName'
  | 'nameConstraints'
  | 'subjectKeyId'
  | 'authorityKeyId'
  | 'authorityCertificate'
  | 'policies'
  | 'unknownCriticalExtensions'
>

/**
 * Decodes the extensions of a certificate (RFC 5280 §4.2). Each may occur only once, and no value may have trailing
 * bytes.
 *
 * @throws {CertificateError} `certificate_malformed`
 */
export function decodeExtensions(elements: readonly DerElement[]): CertificateExtensions {
  const unknownCriticalExtensions: string[] = []
  const fields: { -readonly [Field in keyof CertificateExtensions]?: CertificateExtensions[Field] } = {}
  let policies: CertificatePolicies | undefined
  const seen = new Set<string>()
  for (const element of elements) {
    const { type, critical, value } = decodeExtension(element)
    if (seen.has(type)) refuseMalformed('extensions', `${type} twice`, 'each at most once')
    seen.add(type)
    switch (type) {
      case '2.5.29.14':
        fields.subjectKeyId = decodeSubjectKeyId(value)
        break
      case '2.5.29.15':
        fields.keyUsage = { critical, usages: decodeKeyUsage(value) }
        break
      case '2.5.29.17':
        fields.subjectAlternativeName = { critical, names: decodeSubjectNames(value) }
        break
      case '2.5.29.19':
        fields.basicConstraints = decodeBasicConstraints(value)
        break
      case '2.5.29.30':
        fields.nameConstraints = decodeNameConstraints(value)
        break
      case '2.5.29.32':
        decodePolicies(value)
        policies = { ...policies, policies: value }
        break
      case '2.5.29.33':
        decodePolicyMappings(value)
        policies = { ...policies, mappings: value }
        break
      case '2.5.29.35':
        Object.assign(fields, decodeAuthorityKeyId(value))
        break
      case '2.5.29.36':
        policies = { ...policies, ...decodePolicyConstraints(value) }
        break
      case '2.5.29.54':
        policies = { ...policies, inhibitAnyPolicy: decodeInhibitAnyPolicy(value) }
        break
      case '2.5.29.37':
        fields.extendedKeyUsage = decodeExtendedKeyUsage(value)
        break
      default:
        if (critical) unknownCriticalExtensions.push(type)
    }
  }
  return { ...fields, ...(policies && { policies }), unknownCriticalExtensions }
}

/**
 * Reads one extension (RFC 5280 §4.1). Its value is not decoded.
 *
 * @throws {CertificateError} `certificate_malformed`
 */
export function decodeExtension(element: DerElement): {
  readonly type: string
  readonly critical: boolean
  readonly value: Buffer
} {
  const fields = enterOnly(element.encoded, derTag.sequence, 'extension')
  const type = decodeObjectIdentifier(fields.next(derTag.objectIdentifier), 'extension')
  const critical = fields.nextIf(derTag.boolean)
  const value = fields.next(derTag.octetString).content
  fields.end()
  return { type, critical: critical !== undefined && decodeBoolean(critical, 'extension'), value }
}

/**
 * Decodes basic constraints (RFC 5280 §4.2.1.9). A path length has no meaning without cA, so such an extension is a
 * mistake and is rejected.
 */
function decodeBasicConstraints(value: Buffer): { cA: boolean; pathLength?: number } {
  const where = 'basicConstraints'
  const fields = enterOnly(value, derTag.sequence, where)
  const flag = fields.nextIf(derTag.boolean)
  const length = fields.nextIf(derTag.integer)
  fields.end()
  const cA = flag !== undefined && decodeBoolean(flag, where)
  if (length === undefined) return { cA }
  if (!cA) refuseMalformed(where, 'a path length without cA', 'a path length only with cA')
  return { cA, pathLength: decodeUnsigned(length, where) }
}

/** RFC 5280 §4.2.1.3: the names in the order of their bits. */
const keyUsageNames: readonly KeyUsageName[] = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
]

function decodeKeyUsage(value: Buffer): ReadonlySet<KeyUsageName> {
  const bits = decodeNamedBits(decodeOnly(value, derTag.bitString, 'keyUsage'), 'keyUsage')
  return new Set(keyUsageNames.filter((_, bit) => bits.includes(bit)))
}

/** Decodes the object identifiers of an extended key usage (RFC 5280 §4.2.1.12). */
function decodeExtendedKeyUsage(value: Buffer): readonly string[] {
  const purposes = enterOnly(value, derTag.sequence, 'extKeyUsage').rest()
  return purposes.map((purpose) => {
    return decodeObjectIdentifier(decodeOnly(purpose.encoded, derTag.objectIdentifier, 'extKeyUsage'), 'extKeyUsage')
  })
}

/** Decodes a subject alternative name (RFC 5280 §4.2.1.6). */
function decodeSubjectNames(value: Buffer): NonNullable<Certificate['subjectAlternativeName']>['names'] {
  const names = enterOnly(value, derTag.sequence, 'subjectAltName').rest()
  return names.map((name) => decodeSubjectName(name, 'subjectAltName'))
}

/** Decodes name constraints (RFC 5280 §4.2.1.10): at least one of the two lists, and neither may be empty. */
function decodeNameConstraints(value: Buffer): NameConstraints {
  const fields = enterOnly(value, derTag.sequence, 'nameConstraints')
  if (fields.done) refuseMalformed('nameConstraints', 'no subtrees', 'permitted or excluded ones')
  const permitted = fields.nextIf(0xa0)
  const excluded = fields.nextIf(0xa1)
  fields.end()
  return { permitted: decodeSubtrees(permitted), excluded: decodeSubtrees(excluded) }
}

function decodeSubtrees(list: DerElement | undefined): NameConstraints['permitted'] {
  if (list === undefined) return []
  return new DerReader(list.content, 'nameConstraints').rest().map((element) => {
    const subtree = enterOnly(element.encoded, derTag.sequence, 'nameConstraints')
    const base = subtree.nextOfAny()
    // RFC 5280 requires the default for minimum, which DER omits, and forbids maximum.
    subtree.end()
    return decodeConstraintBase(base, 'nameConstraints')
  })
}

/** Decodes a subject key identifier (RFC 5280 §4.2.1.2). */
function decodeSubjectKeyId(value: Buffer): string {
  return decodeOnly(value, derTag.octetString, 'subjectKeyIdentifier').content.toString('hex')
}

/**
 * Decodes an authority key identifier (RFC 5280 §4.2.1.1, and §5.2.1 for revocation lists). Of the issuer's names, uses
 * only the first directory name, as OpenSSL does.
 *
 * @throws {CertificateError} `certificate_malformed`
 */
export function decodeAuthorityKeyId(
  value: Buffer,
): Pick<CertificateExtensions, 'authorityKeyId' | 'authorityCertificate'> {
  const where = 'authorityKeyIdentifier'
  const fields = enterOnly(value, derTag.sequence, where)
  const keyId = fields.nextIf(0x80)
  const names = fields.nextIf(0xa1)
  const serialNumber = fields.nextIf(0x82)
  fields.end()
  const issuer = names === undefined ? undefined : findDirectoryName(new DerReader(names.content, where), where)
  return {
    ...(keyId && { authorityKeyId: keyId.content.toString('hex') }),
    ...((issuer ?? serialNumber) && {
      authorityCertificate: {
        ...(issuer && { issuer }),
        ...(serialNumber && { serialNumber: decodeSerialNumber(serialNumber) }),
      },
    }),
  }
}

function findDirectoryName(names: DerReader, where: string): DistinguishedName | undefined {
  let found: DistinguishedName | undefined
  while (!names.done) {
    const { tag, content } = names.nextOfAny()
    if (tag === 0xa4) found ??= decodeDistinguishedName(content, where)
  }
  return found
}

function decodeOnly(bytes: Buffer, tag: number, where: string): DerElement {
  const reader = new DerReader(bytes, where)
  const element = reader.next(tag)
  reader.end()
  return element
}
