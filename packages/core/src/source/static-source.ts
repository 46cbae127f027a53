import { SourceError } from '../errors.ts'
import type { X509Material, X509Source } from '../trust/x509-source.ts'
import { parseOptions } from '../options.ts'
import { createMaterial, type MaterialInput } from './create-material.ts'

/**
 * A source that never changes: for tests, and for processes that are replaced before their certificate expires. From
 * the moment its SVID expires, `current` throws.
 *
 * @throws {CertificateError} when key, chain and bundles do not make X.509 material
 * @throws {ConfigurationError} for an unknown or missing option
 */
export function staticSource(input: MaterialInput): X509Source {
  parseOptions(input, ['key', 'cert', 'bundles'], 'staticSource')
  const material = createMaterial(input)
  let closed = false
  const close = (): Promise<void> => {
    closed = true
    return Promise.resolve()
  }
  return {
    get current(): X509Material {
      if (closed) throw new SourceError('source_closed', 'the source was closed')
      if (Date.now() < material.svid.expiresAt) return material
      throw new SourceError(
        'source_expired',
        `our own SVID expired at ${new Date(material.svid.expiresAt).toISOString()}`,
      )
    },
    onUpdate: () => () => undefined,
    close,
    [Symbol.asyncDispose]: close,
  }
}
