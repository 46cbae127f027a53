import { createHash } from 'node:crypto'
import type { Certificate } from '../certificate/certificate.ts'
import type { Crl } from '../certificate/crl.ts'
import { parseTrustDomain } from '../spiffe-id/trust-domain.ts'
import { fingerprintAuthorities, parseAuthorities } from './authorities.ts'
import { type BundleDocument, isBundleDocument, parseBundleDocument } from './bundle-document.ts'
import { RevocationLists } from './revocation-lists.ts'
import { type JsonValue, parseStrictJson } from './strict-json.ts'

// Set by the class itself: nothing else reaches its constructor.
let mint: (trustDomain: string, content: BundleDocument) => X509Bundle

/**
 * The X.509 authorities of one trust domain, stored with its name (SPIFFE Trust Domain and Bundle §3). Immutable: a
 * changed bundle is another object, and what was verified under the old one is verified again.
 */
export class X509Bundle {
  readonly trustDomain: string
  /** Empty for a SPIFFE bundle document without any: then nobody of this trust domain is authenticated (§4.1.3). */
  readonly authorities: readonly Certificate[]
  /** Certificate revocation lists of the authorities and of intermediates below them; none unless they were added. */
  readonly revocation: RevocationLists
  /**
   * Equal for bundles of the same authorities and revocation lists, whatever their order, sequence number and refresh
   * hint.
   */
  readonly fingerprint: string
  /** The sequence number of a SPIFFE bundle document (§4.1.1); a smaller one than before is an older bundle. */
  readonly sequence: bigint | undefined
  /** After how many seconds the publisher wants to be asked again (§4.1.2): at least 1, undefined without a usable hint. */
  readonly refreshHintSeconds: number | undefined

  private constructor(
    trustDomain: string,
    { authorities, sequence, refreshHintSeconds }: BundleDocument,
    revocation: RevocationLists = new RevocationLists([], false),
  ) {
    this.trustDomain = trustDomain
    this.authorities = authorities
    this.revocation = revocation
    this.fingerprint = fingerprintContent(fingerprintAuthorities(trustDomain, authorities), revocation)
    this.sequence = sequence
    this.refreshHintSeconds = refreshHintSeconds
    Object.freeze(this)
  }

  /**
   * Reads the authorities of a trust domain from PEM, concatenated DER, or a SPIFFE bundle document (JSON text or its
   * UTF-8 bytes). A document may hold no X.509 authority at all, by which its publisher revokes them; a file of PEM or
   * DER without any is an accident and refused.
   *
   * @throws {SpiffeIdError} for a bad trust domain name
   * @throws {CertificateError} `bundle_malformed` for a document that is none, `certificate_malformed` and its like for
   * one certificate that cannot be read, `bundle_empty`, `bundle_too_large`, or `authority_unusable` for a certificate
   * that can issue nothing: no CA, no keyCertSign (X509-SVID §4.1, §4.3), a weak key
   * @see https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Trust_Domain_and_Bundle.md#4-spiffe-bundle-format
   */
  static parse(trustDomain: string, input: string | Uint8Array): X509Bundle {
    const name = parseTrustDomain(trustDomain)
    if (isBundleDocument(input)) return createBundle(name, parseStrictJson(input, `bundle of ${name}`))
    const authorities = parseAuthorities(name, input)
    return new X509Bundle(name, { authorities, sequence: undefined, refreshHintSeconds: undefined })
  }

  /** Whether a certificate of this trust domain authenticates nobody without a current revocation list of its issuer. */
  get requiresCrl(): boolean {
    return this.revocation.areRequired
  }

  /**
   * The same bundle with these revocation lists in place of those that it had. By default every certificate needs one
   * from then on, also when there is none: a trust domain that has revocation lists must not lose them unnoticed. That
   * demand is never taken back.
   *
   * @param isRequired false for lists that speak for the certificates of their own issuers only
   */
  withRevocation(crls: readonly Crl[], isRequired: boolean = true): X509Bundle {
    return new X509Bundle(this.trustDomain, this, new RevocationLists(crls, isRequired || this.requiresCrl))
  }

  static {
    mint = (trustDomain: string, content: BundleDocument): X509Bundle => new X509Bundle(trustDomain, content)
  }
}

/**
 * The bundle that a SPIFFE bundle document describes; for those to whom its JSON comes inside another.
 *
 * @throws {CertificateError} as `parseBundleDocument`
 */
export function createBundle(trustDomain: string, document: JsonValue): X509Bundle {
  return mint(trustDomain, parseBundleDocument(trustDomain, document))
}

function fingerprintContent(authorities: string, { fingerprint }: RevocationLists): string {
  return fingerprint === '' ? authorities : createHash('sha256').update(`${authorities}\n${fingerprint}`).digest('hex')
}
