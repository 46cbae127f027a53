import {
  createMaterial,
  createReplaceableSource,
  type ReplaceableSource,
  SourceError,
  type SourceNotice,
  type X509Material,
} from '@countersign/spiffe'
import { isRecord } from '@countersign/spiffe/options'
import { injectedCaller, type InjectingSource } from '@countersign/core/testing'
import { aRecord, checkOptions, isListOf, type OptionKind } from './check-options.ts'
import { takeInjectedChain } from './injected-chain.ts'
import { aTestSvid, type TestSvid } from './svid.ts'

/** Accepts authorities, as an option. */
export const bundleAuthorities: OptionKind = [
  isListOf((entry) => isRecord(entry) && typeof entry['bundlePem'] === 'string'),
  'a list of awaited results of createAuthority()',
]

/** What a source needs of an authority. */
export interface BundleAuthority {
  readonly trustDomain: string
  /** What this authority adds to the bundle of its trust domain. */
  readonly bundlePem: string
}

/** How the source of an authority differs from the default. */
export interface SourceOptions {
  /**
   * Authorities whose bundles are included too. If a trust domain already has a bundle, its authority is added to that
   * bundle.
   */
  readonly federated?: readonly BundleAuthority[]
  /** An SVID to hold instead of a new one. */
  readonly svid?: TestSvid
  /** The lifetime of the new SVID. Default: 3600. */
  readonly ttlSeconds?: number
}

/** What a rotation changes. Omitted fields stay the same. */
export interface SourceReplacement {
  readonly svid?: TestSvid
  /** All bundles, by trust domain: PEM, or the authorities whose `bundlePem` it consists of. */
  readonly bundles?: Readonly<Record<string, string | BundleAuthority | readonly BundleAuthority[]>>
}

/**
 * A source of X.509 material that a test can rotate, empty and close. Only this kind accepts the callers without TLS
 * that `Caller` represents.
 */
export interface TestSource extends InjectingSource {
  /** The SVID that the source received last, also after `withdraw`. */
  readonly svid: TestSvid
  /**
   * Rotates the SVID, the bundles or both in one update. After `withdraw`, it makes the source available again.
   *
   * @throws {CertificateError} for invalid material; the previous material stays
   */
  replace(replacement: SourceReplacement): void
  /** Reports that this workload no longer has an SVID, as the Workload API does with PermissionDenied. */
  withdraw(error?: SourceError): void
}

/** Creates a source that holds the SVID and the bundles of these authorities. */
export function createTestSource(svid: TestSvid, authorities: readonly BundleAuthority[]): TestSource {
  return new RotatingSource(svid, joinBundles(authorities))
}

class RotatingSource implements TestSource {
  readonly #source: ReplaceableSource
  #svid: TestSvid
  #bundles: Readonly<Record<string, string>>

  constructor(svid: TestSvid, bundles: Readonly<Record<string, string>>) {
    this.#source = createReplaceableSource(toMaterial(svid, bundles))
    this.#svid = svid
    this.#bundles = bundles
  }

  get current(): X509Material {
    return this.#source.current
  }

  get svid(): TestSvid {
    return this.#svid
  }

  onUpdate(listener: (material: X509Material) => void): () => void {
    return this.#source.onUpdate(listener)
  }

  onNotice(listener: (notice: SourceNotice) => void): () => void {
    return this.#source.onNotice(listener)
  }

  replace(replacement: SourceReplacement): void {
    checkOptions(replacement, 'replace', { svid: aTestSvid, bundles: aRecord })
    const { svid = this.#svid, bundles } = replacement
    const texts = bundles === undefined ? this.#bundles : toTexts(bundles)
    this.#source.replace(toMaterial(svid, texts))
    this.#svid = svid
    this.#bundles = texts
  }

  withdraw(error: SourceError = new SourceError('source_empty', 'the test withdrew the SVID')): void {
    this.#source.withdraw(error)
  }

  close(): Promise<void> {
    return this.#source.close()
  }

  /** Calls `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  [injectedCaller](): readonly Uint8Array[] | undefined {
    return takeInjectedChain()
  }
}

function toMaterial(svid: TestSvid, bundles: Readonly<Record<string, string>>): X509Material {
  return createMaterial({ key: svid.keyPem, cert: svid.certificatePem, bundles })
}

function toTexts(bundles: NonNullable<SourceReplacement['bundles']>): Readonly<Record<string, string>> {
  const entries = Object.entries(bundles).map(([trustDomain, bundle]) => [trustDomain, toText(bundle)] as const)
  return Object.fromEntries(entries)
}

function toText(bundle: string | BundleAuthority | readonly BundleAuthority[]): string {
  if (typeof bundle === 'string') return bundle
  return 'bundlePem' in bundle ? bundle.bundlePem : bundle.map((authority) => authority.bundlePem).join('')
}

function joinBundles(authorities: readonly BundleAuthority[]): Readonly<Record<string, string>> {
  const bundles = new Map<string, string>()
  for (const { trustDomain, bundlePem } of authorities) {
    bundles.set(trustDomain, `${bundles.get(trustDomain) ?? ''}${bundlePem}`)
  }
  return Object.fromEntries(bundles)
}
