/** One SVID of an X509SVIDResponse, with the field names of the standard (SPIFFE Workload API §5.2.1). */
export interface X509SvidFields {
  readonly spiffe_id: string
  /** The DER of the leaf and the intermediates, concatenated. */
  readonly x509_svid: Buffer
  /** PKCS#8 DER. */
  readonly x509_svid_key: Buffer
  /** The DER of the authorities, concatenated. */
  readonly bundle: Buffer
  readonly hint: string
}

/** One SVID of a JWTSVIDResponse (SPIFFE Workload API §6.2.1). */
export interface JwtSvidFields {
  readonly spiffe_id: string
  readonly svid: string
  readonly hint: string
}

/** Bundles by the SPIFFE ID of their trust domain: concatenated DER, or a JWK set as JSON. */
export type BundleFields = Readonly<Record<string, Buffer>>

/** A message, by the method that it answers. */
type MessageAnswer =
  | {
      readonly kind: 'FetchX509SVID'
      readonly message: {
        readonly svids: readonly X509SvidFields[]
        readonly crl: readonly Buffer[]
        readonly federated_bundles: BundleFields
      }
    }
  | {
      readonly kind: 'FetchX509Bundles'
      readonly message: { readonly crl: readonly Buffer[]; readonly bundles: BundleFields }
    }
  | { readonly kind: 'FetchJWTSVID'; readonly message: { readonly svids: readonly JwtSvidFields[] } }
  | { readonly kind: 'FetchJWTBundles'; readonly message: { readonly bundles: BundleFields } }
  | {
      readonly kind: 'ValidateJWTSVID'
      readonly message: { readonly spiffe_id: string; readonly claims: object | null }
    }

/** The names of the gRPC statuses that the agent uses. */
export type RefusalStatus = 'UNAVAILABLE' | 'PERMISSION_DENIED' | 'INVALID_ARGUMENT' | 'UNIMPLEMENTED' | 'INTERNAL'

/** Ends the call with a status other than OK. */
export interface Refusal {
  readonly kind: 'refusal'
  readonly status: RefusalStatus
  readonly details: string
}

/**
 * The answer to a call: a message, raw bytes instead of one, a refusal, the end of the stream without an error, or
 * nothing. Any of them may be delayed.
 */
export type Answer = (
  | MessageAnswer
  | Refusal
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'end' }
  | { readonly kind: 'silence' }
) & { readonly delayMs?: number }

/** Creates a refusal with a gRPC status. */
export function refuse(status: RefusalStatus, details: string): Refusal {
  return { kind: 'refusal', status, details }
}
