/** Returns the values of all field lines with this lower-case name, in the order received. */
export type HeaderLines = (name: string) => readonly string[]

/** What a proxy states about the caller of one request. Nothing in it is verified. */
export type ForwardedClaim = NoClaim | MalformedClaim | CertificateClaim | NameClaim

/** The caller presented no certificate to the proxy. */
export interface NoClaim {
  readonly kind: 'none'
}

/** A header is present and unacceptable. */
export interface MalformedClaim {
  readonly kind: 'malformed'
  /** For the log: short, and without text that the caller chose. */
  readonly detail: string
}

/** The certificate that the caller presented to the proxy, as DER. */
export interface CertificateClaim {
  readonly kind: 'certificate'
  readonly leaf: Uint8Array
  /** The certificates besides the leaf, in the order received. */
  readonly chain: readonly Uint8Array[]
  /** The proxy's own URI SAN, if the header states it. It must be the SPIFFE ID of the peer. */
  readonly by?: string
  /** The SPIFFE ID that the header states beside the certificate. It must be the one in the certificate. */
  readonly spiffeId?: string
}

/** The caller's SPIFFE ID, without a certificate that could be verified. */
interface NameClaim {
  readonly kind: 'name'
  /** Syntactically valid. */
  readonly spiffeId: string
  /** The proxy's own URI SAN, if the header states it. It must be the SPIFFE ID of the peer. */
  readonly by?: string
}

/** Reads the claim of one kind of proxy. */
export interface ForwardedReader {
  /** The headers that `read` depends on, in lower case. */
  readonly headers: readonly string[]
  /** Returns the claim of one request. Never throws. */
  readonly read: (lines: HeaderLines) => ForwardedClaim
}

/** The claim of a caller without a certificate. */
export const noClaim: NoClaim = Object.freeze({ kind: 'none' })

/** Returns the claim for a header that cannot be accepted. */
export function malformed(detail: string): MalformedClaim {
  return { kind: 'malformed', detail }
}
