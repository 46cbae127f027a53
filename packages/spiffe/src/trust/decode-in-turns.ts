import type { CertificateCache } from '../certificate/certificate-cache.ts'
import { CertificateError } from '../errors.ts'
import { maxBundleCertificates, maxCertificates } from './authorities.ts'
import { runInTurns } from './in-turns.ts'
import type { PublishedBundles } from './published-bundles.ts'

/**
 * Decodes the certificates of bundles that the cache does not hold yet, in turns of a few milliseconds, so
 * that requests and handshakes are answered in between: a partner may publish hundreds of new authorities at any time, and
 * each costs milliseconds. Nothing is decided here; what is decoded is read as usual afterwards.
 *
 * Returns undefined where there is too little to be worth it.
 */
export function decodeInTurns(
  cache: CertificateCache,
  published: PublishedBundles,
  bundles: Iterable<string | Uint8Array>,
): Promise<void> | undefined {
  const missing = new Map<string, Uint8Array>()
  for (const input of bundles) {
    const certificates = listCertificates(published, input)
    // Such a bundle is refused without a look at what is in it.
    if (certificates.size > maxBundleCertificates) continue
    for (const [sha256, der] of certificates) if (!cache.has(sha256)) missing.set(sha256, der)
  }
  const wanted = [...missing].slice(0, maxCertificates)
  return wanted.length < fewCertificates ? undefined : runInTurns(decodeAll(cache, wanted))
}

/** As many take less time than a handshake does under load. */
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

// Whoever reads the bundle finds it again, and says whose it is.
function ignoreRefusal(read: () => unknown): void {
  try {
    read()
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error
  }
}
