import type { KeyObject } from 'node:crypto'
import type { Certificate } from '../certificate/certificate.ts'
import { endOfValidity } from '../certificate/path-checks.ts'
import { toPem } from '../certificate/pem.ts'
import type { HandshakeSide, OwnCertificate, SubjectMaterial, X509Material } from '../trust/x509-source.ts'

/** Our own certificate after its path was verified. */
export interface OwnProof {
  readonly key: KeyObject
  /** Leaf first, as it will be presented. */
  readonly certificates: readonly [Certificate, ...Certificate[]]
  /** Epoch milliseconds, for the whole verified path. */
  readonly expiresAt: number
  readonly sides: readonly HandshakeSide[]
}

/** Combines the key and the verified chain. The key is only available through a function. */
export function createOwnCertificate({ key, certificates, expiresAt, sides }: OwnProof): OwnCertificate {
  const [leaf] = certificates
  return Object.freeze({
    serialNumber: leaf.serialNumber,
    sha256: leaf.sha256,
    certificatePem: certificates.map(toPem).join(''),
    notBefore: leaf.notBefore,
    notAfter: endOfValidity(leaf),
    expiresAt,
    sides: Object.freeze([...sides]),
    exportPrivateKey: () => key.export({ type: 'pkcs8', format: 'pem' }).toString(),
  })
}

/** Returns the certificate of this workload for either kind of material. */
export function ownCertificateOf(material: X509Material | SubjectMaterial): OwnCertificate {
  return material.kind === 'subject' ? material.certificate : material.svid
}
