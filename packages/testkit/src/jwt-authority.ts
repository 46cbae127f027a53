import { createHash, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'

/** The public key of a JWT authority, as a JWK (RFC 7517) with `kid` and without `use`, as SPIRE's agent sends it. */
export interface JwtAuthorityKey {
  readonly kty: 'EC'
  readonly crv: 'P-256'
  readonly x: string
  readonly y: string
  readonly kid: string
}

/** The key pair with which a trust domain signs its JWT-SVIDs. */
export interface JwtAuthority {
  readonly jwk: JwtAuthorityKey
  readonly privateKey: KeyObject
}

/** Creates a JWT authority with a new ES256 key. Its `kid` is the thumbprint of the key (RFC 7638). */
export function createJwtAuthority(): JwtAuthority {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { x = '', y = '' } = createPublicKey(privateKey).export({ format: 'jwk' })
  const members = JSON.stringify({ crv: 'P-256', kty: 'EC', x, y })
  const kid = createHash('sha256').update(members).digest('base64url')
  return { privateKey, jwk: { kty: 'EC', crv: 'P-256', x, y, kid } }
}
