import type { KeyObject } from 'node:crypto'
import type { CertificatePolicies } from './policies.ts'
import type { PublicKeyInfo } from './public-key.ts'

/** The extended key usage of TLS servers (RFC 5280 §4.2.1.12). */
export const serverAuth = '1.3.6.1.5.5.7.3.1'
/** The extended key usage of TLS clients, which a caller's certificate needs (RFC 5280 §4.2.1.12). */
export const clientAuth = '1.3.6.1.5.5.7.3.2'
/** Allows every extended key usage. Accepted in authorities and intermediates, never in a leaf (RFC 5280 §4.2.1.12). */
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

/** A subject or issuer (RFC 5280 §4.1.2.4). */
export interface DistinguishedName {
  /** The encoded name, as in the certificate. */
  readonly der: Buffer
  /** The relative names in order, each normalized by RFC 5280 §7.1. Equal lists mean equal names. */
  readonly relativeNames: readonly string[]
  /** For display only, never compared: `CN=core-api,O=Example`. */
  readonly text: string
  /**
   * All common names in the order of the certificate, spelled exactly as there. A value of an unsupported string type
   * is an empty text, so that it still counts where exactly one common name is required.
   */
  readonly commonNames: readonly string[]
  /**
   * All emailAddress attributes, because constraints on e-mail names also apply to them (RFC 5280 §4.2.1.10). A value
   * that is not an IA5String is an empty text, so that no constraint permits it.
   */
  readonly emailAddresses: readonly string[]
}

/** Subtrees that the names of all certificates below an authority must be inside or outside of (RFC 5280 §4.2.1.10). */
export interface NameConstraints {
  readonly permitted: readonly GeneralName[]
  readonly excluded: readonly GeneralName[]
}

/**
 * The content of one X.509 v3 certificate that verification needs. Decoded from the DER once and immutable. Decoding a
 * certificate does not mean that it is trusted.
 */
export interface Certificate {
  readonly der: Buffer
  /** SHA-256 of the DER, lower-case hex. Used as the key of caches. */
  readonly sha256: string
  /** Lower-case hex, at least one byte, without leading zero bytes. */
  readonly serialNumber: string
  readonly subject: DistinguishedName
  readonly issuer: DistinguishedName
  /** Epoch milliseconds: when the certificate becomes valid. */
  readonly notBefore: number
  /** Epoch milliseconds of the last valid second. RFC 5280 §4.1.2.5 includes that second. */
  readonly notAfter: number
  readonly keyInfo: PublicKeyInfo
  /** Created from `keyInfo` on first access. */
  readonly publicKey: KeyObject
  readonly signature: CertificateSignature
  /** Absent if the certificate has no basicConstraints. It is then not a CA (RFC 5280 §4.2.1.9). */
  readonly basicConstraints?: { readonly cA: boolean; readonly pathLength?: number }
  readonly keyUsage?: { readonly critical: boolean; readonly usages: ReadonlySet<KeyUsageName> }
  /** Object identifiers; absent without the extension. */
  readonly extendedKeyUsage?: readonly string[]
  readonly subjectAlternativeName?: { readonly critical: boolean; readonly names: readonly GeneralName[] }
  readonly nameConstraints?: NameConstraints
  /** Lower-case hex. */
  readonly subjectKeyId?: string
  /** Lower-case hex. */
  readonly authorityKeyId?: string
  /** The issuer and serial number of the issuer's certificate, if the authority key identifier contains them. */
  readonly authorityCertificate?: { readonly issuer?: DistinguishedName; readonly serialNumber?: string }
  /** Absent without any extension for certificate policies. */
  readonly policies?: CertificatePolicies
  /**
   * Object identifiers of critical extensions that we do not process. Any of them makes the path invalid (RFC 5280
   * §4.2).
   */
  readonly unknownCriticalExtensions: readonly string[]
  /** Whether subject and issuer are equal. Does not say who signed the certificate. */
  readonly selfIssued: boolean
}

/** The input of a signature check. The algorithm is an object identifier, and its parameters are not decoded. */
export interface CertificateSignature {
  readonly algorithm: string
  readonly parameters?: Buffer
  /** Whether the algorithm is the same inside and outside the signed part, as RFC 5280 §4.1.1.2 requires. */
  readonly algorithmsAgree: boolean
  readonly signedBytes: Buffer
  readonly value: Buffer
}

/** Why a signature algorithm is rejected regardless of the signature: it is weak or not supported. */
export type SignatureRefusal = 'weak_algorithm' | 'unsupported_algorithm'
