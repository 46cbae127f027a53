import {
  calculateJwkThumbprint,
  createLocalJWKSet,
  type CryptoKey,
  decodeJwt,
  exportJWK,
  generateKeyPair,
  type JWK,
  type JWTPayload,
  jwtVerify,
  SignJWT,
} from 'jose'

/** Creates a JWT authority with a new ES256 key. */
export async function createJwtAuthority(): Promise<JwtAuthority> {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const jwk = await exportJWK(publicKey)
  return new JwtAuthority(privateKey, { ...jwk, kid: await calculateJwkThumbprint(jwk) })
}

/** A JWT authority of a trust domain, which signs JWT-SVIDs. */
export class JwtAuthority {
  /** The public key with `kid` and without `use`, as SPIRE's agent sends it. */
  readonly jwk: JWK
  readonly #privateKey: CryptoKey

  /** Called by `createJwtAuthority`. */
  constructor(privateKey: CryptoKey, jwk: JWK) {
    this.#privateKey = privateKey
    this.jwk = jwk
  }

  /**
   * Signs a JWT-SVID (JWT-SVID §3). A negative lifetime creates an expired one.
   *
   * @param ttlSeconds the lifetime from now on
   */
  sign(spiffeId: string, audience: readonly string[], ttlSeconds: number): Promise<string> {
    const now = Math.floor(Date.now() / 1000)
    return new SignJWT()
      .setProtectedHeader({ alg: 'ES256', kid: this.jwk.kid ?? '', typ: 'JWT' })
      .setSubject(spiffeId)
      .setAudience([...audience])
      .setIssuedAt(now)
      .setExpirationTime(now + Math.ceil(ttlSeconds))
      .sign(this.#privateKey)
  }
}

/**
 * Verifies the signature, expiry and audience of a JWT-SVID with the authorities of the trust domain in its subject.
 *
 * @throws the error of the JWT library
 */
export async function verifyJwtSvid(
  token: string,
  audience: string,
  findAuthorities: (spiffeId: string) => readonly JwtAuthority[],
): Promise<JWTPayload> {
  const authorities = findAuthorities(decodeJwt(token).sub ?? '')
  const keys = createLocalJWKSet({ keys: authorities.map(({ jwk }) => jwk) })
  const { payload } = await jwtVerify(token, keys, { audience, algorithms: ['ES256'], requiredClaims: ['sub', 'exp'] })
  return payload
}

/** Returns the audience of a token. */
export function readAudience(token: string): readonly string[] {
  const { aud = [] } = decodeJwt(token)
  return typeof aud === 'string' ? [aud] : aud
}
