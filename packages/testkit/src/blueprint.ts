import type { KeyType, SignatureHash, TestKey } from './key.ts'

/**
 * The complete content of a certificate before it is signed. A fault changes a field or two. The result is not
 * validated, because creating invalid certificates is the purpose.
 */
export interface Blueprint {
  readonly subject: DistinguishedNames
  /** Epoch milliseconds. X.509 stores whole seconds, so fractions are cut off. */
  readonly notBefore: number
  /** Epoch milliseconds of the last valid second. */
  readonly notAfter: number
  readonly keyType: KeyType
  /** The key to certify. Null creates a new one of `keyType`. */
  readonly key: TestKey | null
  /** True to sign with its own key and name, even if another signer is passed. */
  readonly selfSigned: boolean
  readonly alternativeNames: readonly AlternativeName[]
  readonly alternativeNamesCritical: boolean
  readonly basicConstraints: { readonly cA: boolean; readonly pathLength?: number } | null
  readonly keyUsages: readonly KeyUsage[] | null
  readonly keyUsagesCritical: boolean
  /** Object identifiers, or names of `ExtendedKeyUsageName`. */
  readonly extendedKeyUsages: readonly string[] | null
  readonly nameConstraints: NameConstraints | null
  /** Whether to include subjectKeyIdentifier and authorityKeyIdentifier. */
  readonly keyIdentifiers: boolean
  readonly extensions: readonly ExtraExtension[]
  readonly signatureHash: SignatureHash
  /** Modifies the signed certificate without signing it again. */
  readonly damage: (der: Buffer) => Buffer
}

/**
 * A subject or issuer: attribute types (`C`, `O`, `OU`, `CN`, `DC`, …) in order. A list stands for several attributes
 * of one type, and an empty object for an empty name.
 */
export type DistinguishedNames = Readonly<Record<string, string | readonly string[]>>

/** A name, by its type in RFC 5280 §4.2.1.6. An `ip` is an address, or a range (`10.0.0.0/8`) in name constraints. */
export type AlternativeName =
  | { readonly type: 'uri' | 'dns' | 'email' | 'ip'; readonly value: string }
  | { readonly type: 'directory'; readonly value: DistinguishedNames }

/** The subtrees in which names below an authority must or must not be (RFC 5280 §4.2.1.10). */
export interface NameConstraints {
  readonly permitted?: readonly AlternativeName[]
  readonly excluded?: readonly AlternativeName[]
}

/** A key usage bit, by its name in RFC 5280 §4.2.1.3. */
export type KeyUsage =
  | 'digitalSignature'
  | 'nonRepudiation'
  | 'keyEncipherment'
  | 'dataEncipherment'
  | 'keyAgreement'
  | 'keyCertSign'
  | 'cRLSign'
  | 'encipherOnly'
  | 'decipherOnly'

/** An extended key usage, by its name in RFC 5280 §4.2.1.12, as far as tests need it. */
export type ExtendedKeyUsageName = 'serverAuth' | 'clientAuth' | 'codeSigning' | 'anyExtendedKeyUsage'

/** An extension that the testkit has no option for. */
export interface ExtraExtension {
  /** The dotted object identifier. */
  readonly oid: string
  /** Default: false. */
  readonly critical?: boolean
  /** The DER inside the extension. Default: an ASN.1 NULL. */
  readonly value?: Uint8Array
}
