/** An algorithm that a JWT-SVID may use (JWT-SVID §2.1): never `none`, and none with a shared secret. */
export type JwtAlgorithm = 'RS256' | 'RS384' | 'RS512' | 'ES256' | 'ES384' | 'ES512' | 'PS256' | 'PS384' | 'PS512'

/** The kind of key that an algorithm needs: RSA, or one particular curve (RFC 7518 §3.3 to §3.5). */
export type JwtKeyKind = 'RSA' | 'P-256' | 'P-384' | 'P-521'

/** Returns the kind of key that an allowed algorithm needs, or undefined for any other value. */
export function keyKindOf(algorithm: unknown): JwtKeyKind | undefined {
  return isAllowedAlgorithm(algorithm) ? keyKinds[algorithm] : undefined
}

/** Returns true for an algorithm of JWT-SVID §2.1. Compared byte for byte. */
export function isAllowedAlgorithm(value: unknown): value is JwtAlgorithm {
  return typeof value === 'string' && Object.hasOwn(keyKinds, value)
}

const keyKinds: Readonly<Record<JwtAlgorithm, JwtKeyKind>> = {
  RS256: 'RSA',
  RS384: 'RSA',
  RS512: 'RSA',
  ES256: 'P-256',
  ES384: 'P-384',
  ES512: 'P-521',
  PS256: 'RSA',
  PS384: 'RSA',
  PS512: 'RSA',
}
