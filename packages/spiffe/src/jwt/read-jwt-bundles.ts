import { CertificateError } from '../errors.ts'
import { createEmptyJwtBundle, JwtBundle } from './jwt-bundle.ts'
import type { JwtBundles } from './jwt-bundle-source.ts'

/**
 * Reads the JWT bundles of an answer of the Workload API (§6.2.2), each trust domain separately. One that cannot be
 * read has no keys and reports the reason in `faults`. Never throws because of the content.
 *
 * @param encoded JWK sets by bare trust domain name
 * @throws {SpiffeIdError} for an invalid trust domain name
 */
export function readJwtBundles(encoded: ReadonlyMap<string, string | Uint8Array>): JwtBundles {
  return new Map([...encoded].map(([name, content]) => [name, readOrEmpty(name, content)]))
}

function readOrEmpty(name: string, content: string | Uint8Array): JwtBundle {
  try {
    return JwtBundle.fromWorkloadApi(name, content)
  } catch (error) {
    if (error instanceof CertificateError) return createEmptyJwtBundle(name, error)
    throw error
  }
}
