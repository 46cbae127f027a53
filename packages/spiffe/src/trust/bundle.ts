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

// Set in the static block of the class, because the constructor is private.
let mint: (trustDomain: string, content: BundleContent) => X509Bundle
let attachLists: (bundle: X509Bundle, lists: RevocationLists) => X509Bundle
let replaceAuthorities: (bundle: X509Bundle, selected: SelectedAuthorities) => X509Bundle

/**
 * The X.509 authorities of one trust domain, together with its name (SPIFFE Trust Domain and Bundle §3). Immutable: a
 * changed bundle is a new object, and proofs made under the old one are verified again.
 */
export class X509Bundle {
  readonly trustDomain: string
  /** The usable authorities. Without any, no caller of this trust domain is authenticated (§4.1.3). */
  readonly authorities: readonly Certificate[]
  /** The certificate revocation lists of the authorities and of their intermediates. Empty unless they were added. */
  readonly revocation: RevocationLists
  /**
   * Equal for bundles with the same authorities and revocation lists. Ignores their order, the sequence number and the
   * refresh hint.
   */
  readonly fingerprint: string
  /** The sequence number of a SPIFFE bundle document (§4.1.1). A lower number than before means an older bundle. */
  readonly sequence: bigint | undefined
  /**
   * The refresh interval that the publisher requests, in seconds (§4.1.2). At least 1; undefined without a usable hint.
   */
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
   * UTF-8 bytes).
   *
   * An unusable authority (unreadable, not a CA, without keyCertSign, weak key) is left out and reported in `faults`. A
   * bundle document may have no X.509 authorities: its publisher revokes them all. PEM or DER without any is rejected,
   * because it must be a mistake.
   *
   * @param now epoch milliseconds; authorities that have expired by then are left out. By default expired authorities
   * stay: they count towards no limit and authenticate no peer, because the dates are checked with every chain
   * @throws {SpiffeIdError} for an invalid trust domain name
   * @throws {ConfigurationError} `option_invalid` for an input that is neither text nor bytes
   * @throws {CertificateError} `bundle_malformed`, `certificate_malformed` and similar codes if the input cannot be
   * read; `bundle_empty`; `bundle_too_large` above 256 authorities, 512 certificates or 4 MiB (1 MiB of JSON); the code
   * of the first fault if every authority had to be left out
   * @see https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Trust_Domain_and_Bundle.md#4-spiffe-bundle-format
   */
  static parse(trustDomain: string, input: string | Uint8Array, now?: number): X509Bundle {
    const name = parseTrustDomain(trustDomain)
    checkContent(input, `bundle of ${name}`, 'PEM text, bytes or a SPIFFE bundle document')
    const bundle = readBundle(name, input, { now, cache: new CertificateCache() }, new PublishedBundles())
    return refuseUseless(bundle)
  }

  /** The faults of this bundle and its revocation lists. The affected authorities and lists are not in use. */
  get faults(): readonly BundleFault[] {
    return [...this.#faults, ...this.revocation.faults]
  }

  /** Whether a certificate of this trust domain is rejected without a current revocation list of its issuer. */
  get requiresCrl(): boolean {
    return this.revocation.areRequired
  }

  /**
   * Returns the same bundle with these revocation lists instead of its previous ones. By default every certificate then
   * needs a list, even if `crls` is empty: a trust domain that has revocation lists must not lose them unnoticed. This
   * requirement is never removed.
   *
   * @param isRequired false for lists that apply only to certificates of their own issuers
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

/** Returns the same bundle with other revocation lists. For `applyCrls`. */
export function withRevocationLists(bundle: X509Bundle, lists: RevocationLists): X509Bundle {
  return attachLists(bundle, lists)
}

/** Returns the same bundle with only the selected authorities and with additional faults. */
export function withAuthorities(bundle: X509Bundle, selected: SelectedAuthorities): X509Bundle {
  return selected.faults.length === 0 ? bundle : replaceAuthorities(bundle, selected)
}

/**
 * Reads a bundle like `X509Bundle.parse`, but also returns it if every authority had to be left out.
 *
 * @throws {CertificateError} if the bundle cannot be read or is too large
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
 * Returns the bundle that a parsed SPIFFE bundle document describes. For documents inside other JSON.
 *
 * @throws {CertificateError} as `readBundle`
 */
export function createBundle(trustDomain: string, document: JsonValue, context: ReadContext): X509Bundle {
  return selectBundle(trustDomain, parseBundleDocument(trustDomain, document), context)
}

function selectBundle(name: string, { certificates, ...rest }: PublishedBundle, context: ReadContext): X509Bundle {
  return mint(name, { ...selectAuthorities(name, certificates, context), ...rest })
}

/** Returns a bundle without authorities. Without faults it means that the trust domain has revoked everything. */
export function createEmptyBundle(trustDomain: string, faults: readonly BundleFault[] = []): X509Bundle {
  return mint(trustDomain, { authorities: [], faults, sequence: undefined, refreshHintSeconds: undefined })
}

/**
 * Returns the bundle unless faults have left it without authorities.
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
