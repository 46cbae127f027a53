import type { Certificate } from '../../packages/spiffe/src/certificate/certificate.ts'

/** Counts the accesses to the key of this certificate from now on: one for each signature that is verified with it. */
export function watchKey(certificate: Certificate): () => number {
  let uses = 0
  const { publicKey } = certificate
  Object.defineProperty(certificate, 'publicKey', {
    get() {
      uses += 1
      return publicKey
    },
  })
  return () => uses
}
