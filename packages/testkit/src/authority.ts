import { parseTrustDomain } from '@countersign/spiffe'
import { aNumber, checkArgument, checkOptions, type OptionKind } from './check-options.ts'
import type { TestKey } from './key.ts'
import { type AuthorityOptions, draftAuthority } from './authority-options.ts'
import { Caller } from './caller.ts'
import type { DistinguishedNames } from './blueprint.ts'
import { createJwtAuthority, type JwtAuthority, type JwtAuthorityKey } from './jwt-authority.ts'
import { type IssueJwtOptions, issueJwtSvid, type TestJwtSvid } from './jwt-svid.ts'
import { toPem } from './pem.ts'
import { signCertificate } from './sign-certificate.ts'
import { aTestSvid, type IssueOptions, issueSvid, isTestSvid, type TestSvid } from './svid.ts'
import { bundleAuthorities, createTestSource, type SourceOptions, type TestSource } from './test-source.ts'

/**
 * Creates the root authority of a trust domain, in memory and valid for one day. Two roots of a trust domain have the
 * same name and different keys, as in a rotation.
 *
 * @example
 * const authority = await createAuthority('saas.example')
 * const svid = await authority.issue('spiffe://saas.example/ns/production/sa/core-api', { ttlSeconds: 60 })
 * @throws {SpiffeIdError} if the text is not a trust domain name
 * @throws {ConfigurationError} `option_invalid` for an unknown fault
 */
export async function createAuthority(trustDomain: string, options: AuthorityOptions = {}): Promise<Authority> {
  const name = parseTrustDomain(trustDomain)
  const blueprint = draftAuthority(name, `${name} X.509 authority`, options, 'createAuthority')
  const { der, key } = await signCertificate(blueprint)
  const jwt = createJwtAuthority()
  return new Authority({ trustDomain: name, subject: blueprint.subject, key, der, root: der, intermediates: [], jwt })
}

/** An X.509 authority of a trust domain. Issues valid and faulty SVIDs, and intermediate authorities. */
export class Authority {
  readonly trustDomain: string
  /** This authority's own certificate. */
  readonly certificatePem: string
  readonly certificateDer: Buffer
  /** Unencrypted PKCS#8. */
  readonly keyPem: string
  /** For the `key` option of another authority. */
  readonly key: TestKey
  /** The certificate for the bundle of this trust domain. For an intermediate, this is its root. */
  readonly bundlePem: string
  /** The public key that verifies the JWT-SVIDs of this authority. A root and its intermediates share one. */
  readonly jwtAuthority: JwtAuthorityKey
  /** The JWT authority of this trust domain as a SPIFFE bundle document, for `staticJwtBundles`. */
  readonly jwtBundle: string
  readonly #parts: AuthorityParts

  /** Called by `createAuthority` and by the parent authority. */
  constructor(parts: AuthorityParts) {
    this.#parts = parts
    this.trustDomain = parts.trustDomain
    this.certificateDer = parts.der
    this.certificatePem = toPem(parts.der)
    this.key = parts.key
    this.keyPem = parts.key.pem
    this.bundlePem = toPem(parts.root)
    this.jwtAuthority = parts.jwt.jwk
    this.jwtBundle = JSON.stringify({ keys: [{ ...parts.jwt.jwk, use: 'jwt-svid' }] })
  }

  /** Creates an authority below this one. The SVIDs it issues include the chain up to, but not including, the root. */
  async intermediate(options: AuthorityOptions = {}): Promise<Authority> {
    const blueprint = draftAuthority(this.trustDomain, `${this.trustDomain} intermediate`, options, 'intermediate')
    const { der, key } = await signCertificate(blueprint, this.#parts)
    const { root, intermediates, trustDomain, jwt } = this.#parts
    return new Authority({
      trustDomain,
      subject: blueprint.subject,
      key,
      der,
      root,
      intermediates: [der, ...intermediates],
      jwt,
    })
  }

  /**
   * Certifies the name and key of another authority, as an old root does for a new one (RFC 5280 §3.2). The result
   * issues as that authority, with chains and a bundle that lead to this one. The options `name` and `key` have no
   * effect.
   */
  async crossSign(other: Authority, options: AuthorityOptions = {}): Promise<Authority> {
    checkArgument(other, 'crossSign', anAuthority)
    const { subject, key, trustDomain, jwt } = other.#parts
    const blueprint = { ...draftAuthority(trustDomain, '', options, 'crossSign'), subject, key }
    const { der } = await signCertificate(blueprint, this.#parts)
    const { root, intermediates } = this.#parts
    return new Authority({ trustDomain, subject, key, der, root, intermediates: [der, ...intermediates], jwt })
  }

  /**
   * Issues an SVID, by default a valid one for an hour, like SPIRE's.
   *
   * @throws {SpiffeIdError} if the text is not a SPIFFE ID; the option `uris` accepts any text
   * @throws {ConfigurationError} `option_invalid` for an ID without a path, an ID of another trust domain without the
   * fault `foreign_trust_domain`, or an unknown fault
   */
  issue(spiffeId: string, options: IssueOptions = {}): Promise<TestSvid> {
    return issueSvid(spiffeId, options, this.#parts)
  }

  /**
   * Issues a JWT-SVID, by default a valid one for five minutes, like SPIRE's. An embedded agent with this authority
   * signs with the same key.
   *
   * @throws {SpiffeIdError} if the text is not a SPIFFE ID
   * @throws {ConfigurationError} `option_invalid` without an audience, for an ID without a path, an ID of another trust
   * domain without the fault `foreign_trust_domain`, or an unknown fault
   */
  issueJwt(spiffeId: string, options: IssueJwtOptions): TestJwtSvid {
    return issueJwtSvid(spiffeId, options, this.#parts)
  }

  /**
   * Creates a source for a guard or a client, with an SVID of this ID and the bundles of this and all federated
   * authorities.
   */
  async source(spiffeId: string, options: SourceOptions = {}): Promise<TestSource> {
    checkOptions(options, 'source', sourceKinds)
    const { federated = [], ttlSeconds } = options
    const svid = options.svid ?? (await this.issue(spiffeId, ttlSeconds === undefined ? {} : { ttlSeconds }))
    return createTestSource(svid, [this, ...federated])
  }

  /**
   * Returns a caller for tests without a network. For a SPIFFE ID, a valid SVID is issued at the first request and then
   * kept.
   */
  as(caller: string | TestSvid): Caller {
    checkArgument(caller, 'as', aCaller)
    return new Caller(typeof caller === 'string' ? () => this.issue(caller) : () => Promise.resolve(caller))
  }
}

/** Accepts an authority, as an argument or option. */
export const anAuthority: OptionKind = [
  (value) => value instanceof Authority,
  'the awaited result of createAuthority()',
]

const sourceKinds = { federated: bundleAuthorities, svid: aTestSvid, ttlSeconds: aNumber }

const aCaller: OptionKind = [
  (value) => typeof value === 'string' || isTestSvid(value),
  'a SPIFFE ID, or the awaited result of issue()',
]

/** The parts of an authority. */
export interface AuthorityParts {
  readonly trustDomain: string
  readonly subject: DistinguishedNames
  readonly key: TestKey
  readonly der: Buffer
  /** The DER of the root certificate. */
  readonly root: Buffer
  /** The DER of this certificate and all above it except the root. Empty for a root. */
  readonly intermediates: readonly Buffer[]
  /** Shared by a root and its intermediates. */
  readonly jwt: JwtAuthority
}
