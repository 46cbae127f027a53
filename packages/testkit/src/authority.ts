import { parseTrustDomain } from '@countersign/spiffe'
import { aNumber, checkArgument, checkOptions, type OptionKind } from './check-options.ts'
import type { TestKey } from './key.ts'
import { type AuthorityOptions, draftAuthority } from './authority-options.ts'
import { Caller } from './caller.ts'
import type { DistinguishedNames } from './blueprint.ts'
import { toPem } from './pem.ts'
import { signCertificate } from './sign-certificate.ts'
import { aTestSvid, type IssueOptions, issueSvid, isTestSvid, type TestSvid } from './svid.ts'
import { bundleAuthorities, createTestSource, type SourceOptions, type TestSource } from './test-source.ts'

/**
 * Creates the root authority of a trust domain, in memory and for one day. Two of one trust domain have the same name
 * and different keys, as in a rotation.
 *
 * @example
 * const authority = await createAuthority('saas.example')
 * const svid = await authority.issue('spiffe://saas.example/ns/production/sa/core-api', { ttlSeconds: 60 })
 * @throws {SpiffeIdError} for text that is no trust domain name
 * @throws {ConfigurationError} `option_invalid` for an unknown fault
 */
export async function createAuthority(trustDomain: string, options: AuthorityOptions = {}): Promise<Authority> {
  const name = parseTrustDomain(trustDomain)
  const blueprint = draftAuthority(name, `${name} X.509 authority`, options, 'createAuthority')
  const { der, key } = await signCertificate(blueprint)
  return new Authority({ trustDomain: name, subject: blueprint.subject, key, der, root: der, intermediates: [] })
}

/** An X.509 authority of a trust domain: issues SVIDs, good and bad, and lower authorities. */
export class Authority {
  readonly trustDomain: string
  /** This authority's own certificate. */
  readonly certificatePem: string
  readonly certificateDer: Buffer
  /** Unencrypted PKCS#8. */
  readonly keyPem: string
  /** For the `key` option of another authority. */
  readonly key: TestKey
  /** What a bundle of this trust domain holds: the root, also for an intermediate. */
  readonly bundlePem: string
  readonly #parts: AuthorityParts

  /** Called by `createAuthority` and by the authority above. */
  constructor(parts: AuthorityParts) {
    this.#parts = parts
    this.trustDomain = parts.trustDomain
    this.certificateDer = parts.der
    this.certificatePem = toPem(parts.der)
    this.key = parts.key
    this.keyPem = parts.key.pem
    this.bundlePem = toPem(parts.root)
  }

  /** Creates an authority below this one; the SVIDs that it issues carry the chain up to, not including, the root. */
  async intermediate(options: AuthorityOptions = {}): Promise<Authority> {
    const blueprint = draftAuthority(this.trustDomain, `${this.trustDomain} intermediate`, options, 'intermediate')
    const { der, key } = await signCertificate(blueprint, this.#parts)
    const { root, intermediates, trustDomain } = this.#parts
    return new Authority({
      trustDomain,
      subject: blueprint.subject,
      key,
      der,
      root,
      intermediates: [der, ...intermediates],
    })
  }

  /**
   * Certifies name and key of another authority, the way an old root vouches for a new one (RFC 5280 §3.2). What comes
   * back issues as that authority, with chains and a bundle that lead here. The options `name` and `key` have no effect.
   */
  async crossSign(other: Authority, options: AuthorityOptions = {}): Promise<Authority> {
    checkArgument(other, 'crossSign', anAuthority)
    const { subject, key, trustDomain } = other.#parts
    const blueprint = { ...draftAuthority(trustDomain, '', options, 'crossSign'), subject, key }
    const { der } = await signCertificate(blueprint, this.#parts)
    const { root, intermediates } = this.#parts
    return new Authority({ trustDomain, subject, key, der, root, intermediates: [der, ...intermediates] })
  }

  /**
   * Issues an SVID: by default valid for an hour and perfect, like SPIRE's.
   *
   * @throws {SpiffeIdError} for text that is no SPIFFE ID; the option `uris` takes any text
   * @throws {ConfigurationError} `option_invalid` for an ID without a path, for one of another trust domain without the
   * fault `foreign_trust_domain`, and for an unknown fault
   */
  issue(spiffeId: string, options: IssueOptions = {}): Promise<TestSvid> {
    return issueSvid(spiffeId, options, this.#parts)
  }

  /** A source for a guard or a client: an SVID of this ID, and the bundles of this and all federated authorities. */
  async source(spiffeId: string, options: SourceOptions = {}): Promise<TestSource> {
    checkOptions(options, 'source', sourceKinds)
    const { federated = [], ttlSeconds } = options
    const svid = options.svid ?? (await this.issue(spiffeId, ttlSeconds === undefined ? {} : { ttlSeconds }))
    return createTestSource(svid, [this, ...federated])
  }

  /** A caller for tests without a network. A SPIFFE ID gets a perfect SVID at the first request, and keeps it. */
  as(caller: string | TestSvid): Caller {
    checkArgument(caller, 'as', aCaller)
    return new Caller(typeof caller === 'string' ? () => this.issue(caller) : () => Promise.resolve(caller))
  }
}

/** For arguments and options. */
export const anAuthority: OptionKind = [
  (value) => value instanceof Authority,
  'an authority made by createAuthority(), with await',
]

const sourceKinds = { federated: bundleAuthorities, svid: aTestSvid, ttlSeconds: aNumber }

const aCaller: OptionKind = [
  (value) => typeof value === 'string' || isTestSvid(value),
  'a SPIFFE ID, or an SVID that issue() made, with await',
]

/** What an authority is made of. */
export interface AuthorityParts {
  readonly trustDomain: string
  readonly subject: DistinguishedNames
  readonly key: TestKey
  readonly der: Buffer
  /** DER of the certificate at the top. */
  readonly root: Buffer
  /** DER of this and all above but the root; empty for a root. */
  readonly intermediates: readonly Buffer[]
}
