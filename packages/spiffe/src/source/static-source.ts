import { parseOptions } from '../options.ts'
import type { X509Source } from '../trust/x509-source.ts'
import { createMaterial, type MaterialInput } from './create-material.ts'
import { createReplaceableSource } from './replaceable-source.ts'

/**
 * Creates a source that never changes: for tests, and for processes that are replaced before their certificate expires.
 * `current` throws once the SVID has expired.
 *
 * @throws {CertificateError} if key, chain and bundles are not valid X.509 material
 * @throws {ConfigurationError} for an unknown or missing option
 */
export function staticSource(input: MaterialInput): X509Source {
  parseOptions(input, ['key', 'cert', 'bundles'], 'staticSource')
  return createReplaceableSource(createMaterial(input))
}
