import type { KeyObject } from 'node:crypto'
import type { CertificatePolicies } from './policies.ts'
import type { PublicKeyInfo } from './public-key.ts'

/** The extended key usages that service-to-service TLS is about (RFC 5280 §4.2.1.12). */
export const serverAuth = '1.3.6.1.5.5.7.3.1'
/** See `serverAuth`; this one is what a caller's certificate needs. */
export const clientAuth = '1.3.6.1.5.5.7.3.2'
/** Stands for every extended key usage; we take it from authorities, never from a leaf (RFC 5280 §4.2.1.12). */
export const anyExtendedKeyUsage = '2.5.29.37.0'

/** A key usage bit by its name in RFC 5280 §4.2.1.3. */
export type KeyUsageName =
  | 'digitalSignature'
  | 'nonRepudiation'
  | 'keyEncipherment'
  | 'dataEncipherment'
  | 'keyAgreement'
  | 'keyCertSign'
  | 'cRLSign'
  | 'encipherOnly'
  | 'decipherOnly'

/** One name of a subject alternative name or a name constraint, by its type in RFC 5280 §4.2.1.6. */
export type GeneralName =
  | { readonly type: 'dns' | 'email' | 'uri'; readonly value: string }
  | { readonly type: 'ip'; readonly value: Buffer }
  | { readonly type: 'directory'; readonly value: DistinguishedName }
  | { readonly type: 'other' | 'x400' | 'ediParty' | 'registeredId'; readonly value: Buffer }

/** A subject or issuer (RFC 5280 §4.1.2.4), in the two readings that comparison needs. */
export interface DistinguishedName {
  /** The encoded name, as it stands in the certificate. */
  readonly der: Buffer
  /** The relative names in order, each folded for comparison by RFC 5280 §7.1; equal lists are equal names. */
  readonly relativeNames: readonly string[]
  /** For people: `CN=core-api,O=Example`; never compared. */
  readonly text: string
  /**
   * Every common name, outermost first, in the exact spelling of the certificate; empty text for one of a type that we
   * do not read, so that nobody overlooks it where there has to be exactly one.
   */
  readonly commonNames: readonly string[]
  /**
   * Every emailAddress attribute, which constraints on e-mail names reach as well (RFC 5280 §4.2.1.10); empty text for
   * one that is no IA5String, so that it lies inside no constraint.
   */
  readonly emailAddresses: readonly string[]
}

/** Subtrees that the names of everything below an authority must or must not lie in (RFC 5280 §4.2.1.10). */
export interface NameConstraints {
  readonly permitted: readonly GeneralName[]
  readonly excluded: readonly GeneralName[]
}

/**
 * The facts that verification reads from one X.509 v3 certificate: decoded from the DER once, immutable, and nothing
 * in it is a claim about trust.
 */
export interface Certificate {
  readonly der: Buffer
  /** SHA-256 of the DER, lower-case hex: the name under which verdicts are kept. */
  readonly sha256: string
  /** Lower-case hex without leading zeros beyond one byte. */
  readonly serialNumber: string
  readonly subject: DistinguishedName
  readonly issuer: DistinguishedName
  /** Epoch milliseconds, the first valid moment. */
  readonly notBefore: number
  /** Epoch milliseconds of the last valid second; RFC 5280 §4.1.2.5 counts that second as valid. */
  readonly notAfter: number
  readonly keyInfo: PublicKeyInfo
  /** Made of `keyInfo` when it is first asked for. */
  readonly publicKey: KeyObject
  readonly signature: CertificateSignature
  /** Absent when the certificate has no basicConstraints: then it is no CA (RFC 5280 §4.2.1.9). */
  readonly basicConstraints?: { readonly cA: boolean; readonly pathLength?: number }
  readonly keyUsage?: { readonly critical: boolean; readonly usages: ReadonlySet<KeyUsageName> }
  /** Object identifiers; absent when the extension is. */
  readonly extendedKeyUsage?: readonly string[]
  readonly subjectAlternativeName?: { readonly critical: boolean; readonly names: readonly GeneralName[] }
  readonly nameConstraints?: NameConstraints
  /** Lower-case hex. */
  readonly subjectKeyId?: string
  /** Lower-case hex. */
  readonly authorityKeyId?: string
  /** The issuer's certificate, by its own issuer and serial number, where the authority key identifier has them. */
  readonly authorityCertificate?: { readonly issuer?: DistinguishedName; readonly serialNumber?: string }
  /** Absent without any extension about certificate policies. */
  readonly policies?: CertificatePolicies
  /** Object identifiers of critical extensions that we do not process: any of them refuses the path (RFC 5280 §4.2). */
  readonly unknownCriticalExtensions: readonly string[]
  /** Subject equals issuer; says nothing about who signed. */
  readonly selfIssued: boolean
}

/** What a signature check needs; the algorithm is an object identifier and its parameters still encoded. */
export interface CertificateSignature {
  readonly algorithm: string
  readonly parameters?: Buffer
  /** Whether the algorithm inside the signed part is the same as outside (RFC 5280 §4.1.1.2 demands it). */
  readonly algorithmsAgree: boolean
  readonly signedBytes: Buffer
  readonly value: Buffer
}

/** Why a signature algorithm verifies nothing here, whatever the signature: broken, or not known to be sound. */
export type SignatureRefusal = 'weak_algorithm' | 'unsupported_algorithm'
