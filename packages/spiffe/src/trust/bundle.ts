import { createHash } from 'node:crypto'
import type { Certificate } from '../certificate/certificate.ts'
import { CertificateCache } from '../certificate/certificate-cache.ts'
import type { Crl } from '../certificate/crl.ts'
import { checkContent, checkListOf, isRecord } from '../options.ts'
import { parseTrustDomain } from '../spiffe-id/trust-domain.ts'
import { fingerprintAuthorities, type ReadContext, selectAuthorities, type SelectedAuthorities } from './authorities.ts'
import { parseBundleDocument, type PublishedBundle } from './bundle-document.ts'
import { type BundleFault, toError } from './bundle-fault.ts'
import { PublishedBundles } from './published-bundles.ts'
import { RevocationLists } from './revocation-lists.ts'
import type { JsonValue } from './strict-json.ts'

type BundleContent = SelectedAuthorities & Pick<PublishedBundle, 'sequence' | 'refreshHintSeconds'>

// Set by the class itself: nothing else reaches its constructor.
let mint: (trustDomain: string, content: BundleContent) => X509Bundle
let attachLists: (bundle: X509Bundle, lists: RevocationLists) => X509Bundle
let replaceAuthorities: (bundle: X509Bundle, selected: SelectedAuthorities) => X509Bundle

/**
 * The X.509 authorities of one trust domain, stored with its name (SPIFFE Trust Domain and Bundle §3). Immutable: a
 * changed bundle is another object, and what was verified under the old one is verified again.
 */
export class X509Bundle {
  readonly trustDomain: string
  /** Those that can prove somebody. Without any, nobody of this trust domain is authenticated (§4.1.3). */
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
  readonly #faults: readonly BundleFault[]

  private constructor(
    trustDomain: string,
    { authorities, faults, sequence, refreshHintSeconds }: BundleContent,
    revocation: RevocationLists = new RevocationLists([], false),
  ) {
    this.trustDomain = trustDomain
    this.authorities = authorities
    this.#faults = faults
    this.revocation = revocation
    this.fingerprint = fingerprintContent(fingerprintAuthorities(trustDomain, authorities), revocation)
    this.sequence = sequence
    this.refreshHintSeconds = refreshHintSeconds
    Object.freeze(this)
  }

  /**
   * Reads the authorities of a trust domain from PEM, concatenated DER, or a SPIFFE bundle document (JSON text or its
   * UTF-8 bytes). An authority that can prove nobody (unreadable, no CA, no keyCertSign, a weak key) is left out
   * and is one of `faults`. A document may hold no X.509 authority at all, by which its publisher revokes them; PEM or
   * DER without any is an accident and refused.
   *
   * @param now epoch milliseconds; authorities that have expired by then are left out. Default none: then they stay, count
   * towards no limit, and prove nobody, because the dates are checked with every chain
   * @throws {SpiffeIdError} for a bad trust domain name
   * @throws {ConfigurationError} `option_invalid` for an input that is neither text nor bytes
   * @throws {CertificateError} `bundle_malformed`, `certificate_malformed` and its like for what cannot be read,
   * `bundle_empty`, `bundle_too_large` for more than 256 authorities, 512 certificates or 4 MiB (1 MiB of JSON), and the first fault's
   * code when every authority had to be left out
   * @see https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Trust_Domain_and_Bundle.md#4-spiffe-bundle-format
   */
  static parse(trustDomain: string, input: string | Uint8Array, now?: number): X509Bundle {
    const name = parseTrustDomain(trustDomain)
    checkContent(input, `bundle of ${name}`, 'PEM text, bytes or a SPIFFE bundle document')
    const bundle = readBundle(name, input, { now, cache: new CertificateCache() }, new PublishedBundles())
    return refuseUseless(bundle)
  }

  /** What is wrong with this bundle and its revocation lists; none of it is in use. */
  get faults(): readonly BundleFault[] {
    return [...this.#faults, ...this.revocation.faults]
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
    checkListOf(crls, isCrl, 'withRevocation', 'a list of what decodeCrl() returns')
    return attachLists(this, new RevocationLists(crls, isRequired || this.requiresCrl))
  }

  static {
    mint = (trustDomain: string, content: BundleContent): X509Bundle => new X509Bundle(trustDomain, content)
    attachLists = (bundle: X509Bundle, lists: RevocationLists): X509Bundle => {
      const { trustDomain, authorities, sequence, refreshHintSeconds } = bundle
      return new X509Bundle(trustDomain, { authorities, faults: bundle.#faults, sequence, refreshHintSeconds }, lists)
    }
    replaceAuthorities = (bundle: X509Bundle, { authorities, faults: more }: SelectedAuthorities): X509Bundle => {
      const { trustDomain, sequence, refreshHintSeconds, revocation } = bundle
      const faults = [...bundle.#faults, ...more]
      return new X509Bundle(trustDomain, { authorities, faults, sequence, refreshHintSeconds }, revocation)
    }
  }
}

/** The same bundle with other revocation lists; for `applyCrls`. */
export function withRevocationLists(bundle: X509Bundle, lists: RevocationLists): X509Bundle {
  return attachLists(bundle, lists)
}

/** The same bundle with these of its authorities only, and with more faults. */
export function withAuthorities(bundle: X509Bundle, selected: SelectedAuthorities): X509Bundle {
  return selected.faults.length === 0 ? bundle : replaceAuthorities(bundle, selected)
}

/**
 * Reads a bundle as `X509Bundle.parse` does, and returns it also when every authority had to be left out.
 *
 * @throws {CertificateError} for a bundle that cannot be read or is too large
 */
export function readBundle(
  name: string,
  input: string | Uint8Array,
  context: ReadContext,
  published: PublishedBundles,
): X509Bundle {
  return selectBundle(name, published.read(name, input), context)
}

/**
 * The bundle that a SPIFFE bundle document describes; for those to whom its JSON comes inside another.
 *
 * @throws {CertificateError} as `readBundle`
 */
export function createBundle(trustDomain: string, document: JsonValue, context: ReadContext): X509Bundle {
  return selectBundle(trustDomain, parseBundleDocument(trustDomain, document), context)
}

function selectBundle(name: string, { certificates, ...rest }: PublishedBundle, context: ReadContext): X509Bundle {
  return mint(name, { ...selectAuthorities(name, certificates, context), ...rest })
}

/** A bundle that proves nobody, and why it is one: without faults its trust domain has revoked everything. */
export function createEmptyBundle(trustDomain: string, faults: readonly BundleFault[] = []): X509Bundle {
  return mint(trustDomain, { authorities: [], faults, sequence: undefined, refreshHintSeconds: undefined })
}

/**
 * Refuses a bundle that proves nobody because of its faults.
 *
 * @throws {CertificateError} with the code of the first fault
 */
export function refuseUseless(bundle: X509Bundle): X509Bundle {
  const [fault] = bundle.faults
  if (bundle.authorities.length === 0 && fault !== undefined) throw toError(bundle.trustDomain, fault)
  return bundle
}

function fingerprintContent(authorities: string, { fingerprint }: RevocationLists): string {
  return fingerprint === '' ? authorities : createHash('sha256').update(`${authorities}\n${fingerprint}`).digest('hex')
}

function isCrl(value: unknown): boolean {
  return isRecord(value) && typeof value['sha256'] === 'string' && value['revoked'] instanceof Set
}
