import { parseOptions } from '../options.ts'
import type { X509Source } from '../trust/x509-source.ts'
import { createMaterial, type MaterialInput } from './create-material.ts'
import { createReplaceableSource } from './replaceable-source.ts'

/**
 * A source that never changes: for tests, and for processes that are replaced before their certificate expires. From
 * the moment its SVID expires, `current` throws.
 *
 * @throws {CertificateError} when key, chain and bundles do not make X.509 material
 * @throws {ConfigurationError} for an unknown or missing option
 */
export function staticSource(input: MaterialInput): X509Source {
  parseOptions(input, ['key', 'cert', 'bundles'], 'staticSource')
  return createReplaceableSource(createMaterial(input))
}
