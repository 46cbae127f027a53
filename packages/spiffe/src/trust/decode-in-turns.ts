import type { CertificateCache } from '../certificate/certificate-cache.ts'
import { CertificateError } from '../errors.ts'
import { maxBundleCertificates, maxCertificates } from './authorities.ts'
import { runInTurns } from './in-turns.ts'
import type { PublishedBundles } from './published-bundles.ts'

/**
 * Decodes certificates that are not in the cache yet, in turns of a few milliseconds. Requests and handshakes are
 * answered in between: a partner can publish hundreds of new authorities at any time, and each takes milliseconds. Only
 * fills the cache; the bundles are read as usual afterwards.
 *
 * Returns undefined if there are too few certificates to justify it.
 */
export function decodeInTurns(
  cache: CertificateCache,
  published: PublishedBundles,
  bundles: Iterable<string | Uint8Array>,
): Promise<void> | undefined {
  const missing = new Map<string, Uint8Array>()
  for (const input of bundles) {
    const certificates = listCertificates(published, input)
    // Such a bundle is rejected without looking at its content.
    if (certificates.size > maxBundleCertificates) continue
    for (const [sha256, der] of certificates) if (!cache.has(sha256)) missing.set(sha256, der)
  }
  const wanted = [...missing].slice(0, maxCertificates)
  return wanted.length < fewCertificates ? undefined : runInTurns(decodeAll(cache, wanted))
}

/** Decoding fewer takes less time than a handshake under load. */
const fewCertificates = 16

function* decodeAll(
  cache: CertificateCache,
  wanted: readonly (readonly [string, Uint8Array])[],
): Generator<void, void> {
  for (const [sha256, der] of wanted) {
    ignoreRefusal(() => cache.confirm(cache.decode(sha256, der)))
    yield
  }
}

function listCertificates(published: PublishedBundles, input: string | Uint8Array): ReadonlyMap<string, Uint8Array> {
  const certificates = new Map<string, Uint8Array>()
  for (const { der, sha256 } of published.tryRead(input)?.certificates ?? []) {
    if (!(der instanceof CertificateError)) certificates.set(sha256, der)
  }
  return certificates
}

// The actual read of the bundle finds the same error and reports it with the trust domain.
function ignoreRefusal(read: () => unknown): void {
  try {
    read()
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error
  }
}
