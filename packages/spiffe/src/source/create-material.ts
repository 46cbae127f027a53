import type { KeyObject } from 'node:crypto'
import { type Certificate, serverAuth } from '../certificate/certificate.ts'
import { endOfValidity } from '../certificate/path-checks.ts'
import { parseCertificates } from '../certificate/pem.ts'
import { CertificateError, ConfigurationError } from '../errors.ts'
import { describeValue, isOptions, isRecord, parseOptions } from '../options.ts'
import { parseTrustDomain } from '../spiffe-id/trust-domain.ts'
import { verifySvid } from '../svid/verify-svid.ts'
import type { X509Svid } from '../svid/x509-svid.ts'
import { refuseUseless, withAuthorities, X509Bundle } from '../trust/bundle.ts'
import { describeFaults } from '../trust/bundle-fault.ts'
import { BundleReader } from '../trust/read-bundles.ts'
import type { X509Material } from '../trust/x509-source.ts'
import { selectSelfSigned } from './check-authorities.ts'
import { describeOwnFault } from './describe-own-fault.ts'
import { createOwnCertificate } from './own-certificate.ts'
import { prepareOwnChain } from './own-chain.ts'
import { checkKeyFits, parsePrivateKey } from './private-key.ts'

/** The key, chain and bundles of a workload, not parsed yet. */
export interface MaterialInput {
  /** Unencrypted: PEM, or PKCS#8 DER. */
  readonly key: string | Uint8Array
  /** PEM, or concatenated DER; leaf first. */
  readonly cert: string | Uint8Array
  /**
   * By trust domain: PEM, concatenated DER or a SPIFFE bundle document. A bundle of an earlier material is used as it
   * is.
   */
  readonly bundles: Readonly<Record<string, string | Uint8Array | X509Bundle>>
}

/**
 * Creates verified X.509 material from a key, a chain and bundles. The key belongs to the leaf, and the chain is an
 * X.509-SVID under the bundle of its own trust domain. It is valid at `now` (epoch milliseconds) and not revoked by a
 * list of that bundle.
 *
 * Each bundle is read separately. The bundle of another trust domain never causes an error: if it cannot be read, it
 * has no authorities and reports the reason in `faults`, and no caller of that trust domain is authenticated.
 *
 * @throws {CertificateError} saying which of these conditions fails
 * @throws {SpiffeIdError} for a bundle under an invalid trust domain name
 * @throws {ConfigurationError} `option_invalid` for a missing option or one of the wrong type
 */
export function createMaterial(input: MaterialInput, now: number = Date.now()): X509Material {
  checkKinds(input)
  if (!Number.isFinite(now)) refuseKind('now', now, 'epoch milliseconds')
  const key = parsePrivateKey(input.key)
  const certificates = parseCertificates(input.cert)
  return assembleMaterial({ key, certificates, bundles: readBundles(input.bundles, certificates, now) }, now)
}

/** The same input, already parsed. */
export interface MaterialParts {
  readonly key: KeyObject
  /** Leaf first. */
  readonly certificates: readonly Certificate[]
  readonly bundles: ReadonlyMap<string, X509Bundle>
}

/**
 * Creates material from parsed input, otherwise like `createMaterial`.
 *
 * @throws {CertificateError} `bundle_revoked` if the bundle of our own trust domain revokes all its authorities (SPIFFE
 * Trust Domain and Bundle §4.1.3), or the code of its first fault if that is why it has none
 */
export function assembleMaterial(parts: MaterialParts, now: number): X509Material {
  const { key, certificates } = parts
  checkKeyFits(key, certificates[0])
  const bundles = new Map([...parts.bundles].map(([name, bundle]) => [name, leaveOutPartial(bundle)]))
  const { spiffeId, leaf, path, bundle } = verifyOwn(certificates, bundles, now)
  const { authorities } = bundle
  const chain = prepareOwnChain({ certificates: [leaf, ...certificates.slice(1)], path, authorities })
  // Our revocation lists do not limit our own certificate, because peers check it against their own lists.
  const expiresAt = Math.min(...path.map(endOfValidity))
  // X509-SVID §4.4: the leaf has both or neither.
  const sides = ['server', 'client'] as const
  const own = createOwnCertificate({ key, certificates: chain, expiresAt, sides })
  return Object.freeze({ kind: 'spiffe', svid: Object.freeze({ ...own, spiffeId }), bundles })
}

function leaveOutPartial(bundle: X509Bundle): X509Bundle {
  return withAuthorities(bundle, selectSelfSigned(bundle.trustDomain, bundle.authorities))
}

function checkKinds(input: unknown): void {
  const { key, cert, bundles } = parseOptions(input, ['key', 'cert', 'bundles'], 'createMaterial')
  checkKind('key', key, isContent(key), 'PEM text or bytes')
  checkKind('cert', cert, isContent(cert), 'PEM text or bytes')
  if (!isOptions(bundles)) return refuseKind('bundles', bundles, 'an object with a bundle for each trust domain')
  for (const [name, bundle] of Object.entries(bundles)) {
    const isRight = isContent(bundle) || bundle instanceof X509Bundle
    checkKind(`bundles[${name}]`, bundle, isRight, `PEM text, bytes or a bundle${adviseFor(bundle)}`)
  }
}

function isContent(value: unknown): boolean {
  return typeof value === 'string' || value instanceof Uint8Array
}

function checkKind(name: string, value: unknown, isRight: boolean, expected: string): void {
  if (!isRight) refuseKind(name, value, expected)
}

function refuseKind(name: string, value: unknown, expected: string): never {
  throw new ConfigurationError('option_invalid', `${name}: found ${describeValue(value)}, expected ${expected}`)
}

// A bundle of another copy of the package has the right shape but fails `instanceof`.
function adviseFor(value: unknown): string {
  const isForeign = isRecord(value) && typeof value['withRevocation'] === 'function'
  return isForeign ? ' made by the same copy of @countersign/core; install only one copy' : ''
}

function readBundles(
  input: MaterialInput['bundles'],
  certificates: readonly Certificate[],
  now: number,
): ReadonlyMap<string, X509Bundle> {
  const encoded = new Map<string, string | Uint8Array>()
  const given = new Map<string, X509Bundle>()
  for (const [name, content] of Object.entries(input)) {
    const trustDomain = content instanceof X509Bundle ? content.trustDomain : parseTrustDomain(name)
    if (trustDomain !== name) {
      throw new CertificateError(
        'authority_unusable',
        `bundles: found the bundle of ${trustDomain} under the name ${name}`,
      )
    }
    if (content instanceof X509Bundle) given.set(name, content)
    else encoded.set(name, content)
  }
  const read = new BundleReader().read(encoded, { now, own: findTrustDomain(certificates) })
  return new Map([...given, ...read])
}

/** Returns the trust domain that our own chain claims, unverified, or undefined if it claims none. */
export function findTrustDomain([leaf]: readonly Certificate[]): string | undefined {
  const uris = leaf?.subjectAlternativeName?.names.flatMap((name) => (name.type === 'uri' ? [name.value] : []))
  return /^spiffe:\/\/([^/]+)/.exec(uris?.[0] ?? '')?.[1]
}

function verifyOwn(
  certificates: readonly Certificate[],
  bundles: ReadonlyMap<string, X509Bundle>,
  now: number,
): X509Svid {
  const chain = certificates.map(({ der }) => der)
  const verdict = verifySvid({ chain, bundles, usage: serverAuth, mayLackRevocation: true, now })
  if (verdict.ok) return verdict.svid
  const trustDomain = findTrustDomain(certificates) ?? ''
  const bundle = bundles.get(trustDomain)
  if (bundle?.authorities.length === 0) {
    refuseUseless(bundle)
    const detail = `the bundle of ${trustDomain} contains no authority, so every SVID of it is revoked, including ours`
    throw new CertificateError('bundle_revoked', detail, { value: trustDomain })
  }
  const faults = bundle?.faults ?? []
  const leftOut = faults.length === 0 ? '' : `; left out of the bundle of ${trustDomain}: ${describeFaults(faults)}`
  const others = verdict.reason === 'trust_domain_unknown' ? describeOthers(bundles, trustDomain) : ''
  throw new CertificateError('svid_unusable', `${describeOwnFault(verdict)}${others}${leftOut}`, {
    value: verdict.reason,
  })
}

function describeOthers(bundles: ReadonlyMap<string, X509Bundle>, trustDomain: string): string {
  const names = [...bundles.keys()].map((name) => `'${name}'`)
  return `; found ${names.join(', ') || 'no bundles'}, expected '${trustDomain}' among the names of the bundles`
}
