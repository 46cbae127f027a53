import { compactVerify } from 'jose/jws/compact/verify'
import type { JwtAlgorithm } from './algorithms.ts'
import type { JwtKey } from './jwt-key.ts'

/**
 * Verifies the signature of a token with each of these keys in turn. Returns the first key that made it, or undefined.
 *
 * The library receives the one allowed algorithm and a key object. It never chooses a key itself: it ignores keys whose
 * `use` is `jwt-svid`.
 */
export async function verifySignature(
  token: string,
  algorithm: JwtAlgorithm,
  keys: readonly JwtKey[],
): Promise<JwtKey | undefined> {
  for (const key of keys) {
    if (await isSignedBy(token, algorithm, key)) return key
  }
  return undefined
}

// Every error of the library means that this key does not verify this token.
function isSignedBy(token: string, algorithm: JwtAlgorithm, { publicKey }: JwtKey): Promise<boolean> {
  return compactVerify(token, publicKey, { algorithms: [algorithm] }).then(
    () => true,
    () => false,
  )
}
