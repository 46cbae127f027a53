import { isOptions, refuseValue } from '../options.ts'
import { JwtBundle } from './jwt-bundle.ts'

/** JWT bundles by trust domain name. */
export type JwtBundles = ReadonlyMap<string, JwtBundle>

/** Provides the current JWT bundles, regardless of their origin. */
export interface JwtBundleSource {
  /**
   * Returns the current bundles: the same map until something changes, and the same bundle while its content is the
   * same. Never throws. Empty if there are none, so that no token is accepted.
   */
  current(): JwtBundles
  /** Calls the listener after each change. Returns a function that removes the listener. */
  onChange(listener: () => void): () => void
  /** Stops all activity. */
  close?(): void | Promise<void>
}

/**
 * Creates a source of bundles that never change.
 *
 * @param bundles by trust domain, as `JwtBundle.parse` reads them
 * @example
 * const bundles = staticJwtBundles({ 'saas.example': await readFile('bundle.json', 'utf8') })
 * @throws {ConfigurationError} `option_invalid` for anything except an object with at least one bundle
 * @throws {SpiffeIdError} {CertificateError} as `JwtBundle.parse`
 */
export function staticJwtBundles(bundles: Readonly<Record<string, string | object>>): JwtBundleSource {
  if (!isOptions(bundles) || Object.keys(bundles).length === 0) {
    refuseValue('staticJwtBundles', bundles, "an object such as { 'saas.example': document }")
  }
  const parsed = Object.entries(bundles).map(([name, document]) => JwtBundle.parse(name, document))
  const current: JwtBundles = new Map(parsed.map((bundle) => [bundle.trustDomain, bundle]))
  return { current: () => current, onChange: () => () => undefined }
}
