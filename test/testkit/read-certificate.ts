import { X509Certificate } from 'node:crypto'

// The decorators of the X.509 library fail on import without this polyfill.
import 'reflect-metadata'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509Certificate as ParsedCertificate,
} from '@peculiar/x509'
import type { Authority } from '@countersign/testkit'

/** The content of a certificate in comparable words, except its serial number, key and key ids. */
export interface CertificateFacts {
  readonly subject: string
  readonly issuer: string
  readonly notBefore: number
  readonly notAfter: number
  readonly names: readonly string[]
  readonly namesCritical: boolean | null
  readonly isCa: boolean | null
  readonly pathLength: number | null
  readonly keyUsages: readonly string[] | null
  readonly keyUsagesCritical: boolean | null
  readonly extendedKeyUsages: readonly string[] | null
  readonly otherExtensions: readonly string[]
  readonly key: string
  readonly signature: string
  readonly signedByIssuer: boolean
  readonly signedByItself: boolean
  readonly trailingBytes: number
}

export function readCertificate(der: Buffer, issuer: Authority): CertificateFacts {
  const length = 4 + der.readUInt16BE(2)
  const certificate = new ParsedCertificate(der.subarray(0, length))
  const checked = new X509Certificate(der)
  const names = certificate.getExtension(SubjectAlternativeNameExtension)
  const basicConstraints = certificate.getExtension(BasicConstraintsExtension)
  const keyUsages = certificate.getExtension(KeyUsagesExtension)
  const extendedKeyUsages = certificate.getExtension(ExtendedKeyUsageExtension)
  return {
    subject: certificate.subject,
    issuer: certificate.issuer,
    notBefore: certificate.notBefore.getTime(),
    notAfter: certificate.notAfter.getTime(),
    names: Array.from(names?.names.items ?? [], ({ type, value }) => `${type}:${value}`),
    namesCritical: names?.critical ?? null,
    isCa: basicConstraints?.ca ?? null,
    pathLength: basicConstraints?.pathLength ?? null,
    keyUsages:
      keyUsages === null ? null : keyUsageNames.filter((name) => (keyUsages.usages & KeyUsageFlags[name]) !== 0),
    keyUsagesCritical: keyUsages?.critical ?? null,
    extendedKeyUsages: extendedKeyUsages === null ? null : Array.from(extendedKeyUsages.usages, String),
    otherExtensions: Array.from(certificate.extensions)
      .filter(({ type }) => !knownExtensions.has(type))
      .map(({ type, critical }) => (critical ? `${type} critical` : type)),
    key: JSON.stringify(checked.publicKey.asymmetricKeyDetails, (_, value: unknown) =>
      typeof value === 'bigint' ? Number(value) : value,
    ),
    signature: JSON.stringify(certificate.signatureAlgorithm),
    signedByIssuer: checked.verify(new X509Certificate(issuer.certificateDer).publicKey),
    signedByItself: checked.verify(checked.publicKey),
    trailingBytes: der.length - length,
  }
}

const keyUsageNames = ['digitalSignature', 'keyAgreement', 'keyCertSign', 'cRLSign'] as const

/** The extensions that have a separate field above, and the key identifiers. */
const knownExtensions = new Set(['2.5.29.14', '2.5.29.15', '2.5.29.17', '2.5.29.19', '2.5.29.35', '2.5.29.37'])
