import type { KeyType, SignatureHash, TestKey } from './key.ts'

/**
 * Everything that a certificate is to say, before it is signed. A fault changes a field or two of it, and nothing
 * checks whether the whole makes sense: making certificates that make none is the purpose.
 */
export interface Blueprint {
  readonly subject: DistinguishedNames
  /** Epoch milliseconds; X.509 keeps whole seconds, so the part below a second is cut off. */
  readonly notBefore: number
  /** Epoch milliseconds of the last valid second. */
  readonly notAfter: number
  readonly keyType: KeyType
  /** The key to certify; a new one of `keyType` when null. */
  readonly key: TestKey | null
  /** Signed by its own key under its own name, whoever was asked to sign. */
  readonly selfSigned: boolean
  readonly alternativeNames: readonly AlternativeName[]
  readonly alternativeNamesCritical: boolean
  readonly basicConstraints: { readonly cA: boolean; readonly pathLength?: number } | null
  readonly keyUsages: readonly KeyUsage[] | null
  readonly keyUsagesCritical: boolean
  /** Object identifiers, or names of `ExtendedKeyUsageName`. */
  readonly extendedKeyUsages: readonly string[] | null
  readonly nameConstraints: NameConstraints | null
  /** Whether subjectKeyIdentifier and authorityKeyIdentifier are there. */
  readonly keyIdentifiers: boolean
  readonly extensions: readonly ExtraExtension[]
  readonly signatureHash: SignatureHash
  /** Changes the signed certificate as it lies, without signing again. */
  readonly damage: (der: Buffer) => Buffer
}

/** A subject or issuer: attribute types (`C`, `O`, `OU`, `CN`, `DC`, …) in order; a list is several of one type; empty is an empty name. */
export type DistinguishedNames = Readonly<Record<string, string | readonly string[]>>

/** A name by its type in RFC 5280 §4.2.1.6. An `ip` is an address, and in name constraints a range (`10.0.0.0/8`). */
export type AlternativeName =
  | { readonly type: 'uri' | 'dns' | 'email' | 'ip'; readonly value: string }
  | { readonly type: 'directory'; readonly value: DistinguishedNames }

/** Subtrees that names below an authority must or must not lie in (RFC 5280 §4.2.1.10). */
export interface NameConstraints {
  readonly permitted?: readonly AlternativeName[]
  readonly excluded?: readonly AlternativeName[]
}

/** A key usage bit by its name in RFC 5280 §4.2.1.3. */
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

/** An extended key usage by its name in RFC 5280 §4.2.1.12, for those that tests need. */
export type ExtendedKeyUsageName = 'serverAuth' | 'clientAuth' | 'codeSigning' | 'anyExtendedKeyUsage'

/** An extension that the testkit knows nothing about. */
export interface ExtraExtension {
  /** The object identifier, dotted. */
  readonly oid: string
  /** Default false. */
  readonly critical?: boolean
  /** The DER inside the extension; default an ASN.1 NULL. */
  readonly value?: Uint8Array
}
