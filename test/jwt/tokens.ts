import {
  constants,
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  sign,
} from 'node:crypto'

/** A signing key and its entry in a bundle. */
export interface Signer {
  readonly privateKey: KeyObject
  /** With `kid` and `use`. */
  readonly jwk: JsonWebKey & { readonly kid: string; readonly use?: string }
}

/** A header or claims; null removes a default. */
export type Members = Readonly<Record<string, unknown>>

export type CurveName = 'P-256' | 'P-384' | 'P-521'

export function createSigner(kid: string, kind: CurveName | 'RSA' | 'RSA-1024' | 'Ed25519' = 'P-256'): Signer {
  const { privateKey } =
    kind === 'RSA' || kind === 'RSA-1024'
      ? generateKeyPairSync('rsa', { modulusLength: kind === 'RSA' ? 2048 : 1024 })
      : kind === 'Ed25519'
        ? generateKeyPairSync('ed25519')
        : generateKeyPairSync('ec', { namedCurve: kind })
  return { privateKey, jwk: { ...createPublicKey(privateKey).export({ format: 'jwk' }), kid, use: 'jwt-svid' } }
}

/** Encodes and signs any header and claims, valid or not, with the algorithm of the header or another one. */
export function craft(
  header: Members,
  claims: Members,
  privateKey: KeyObject,
  algorithm = String(header['alg']),
): string {
  const input = `${encode(header)}.${encode(claims)}`
  return `${input}.${signText(input, privateKey, algorithm)}`
}

/** Signs text with a key, even if the key does not fit the algorithm. */
export function signText(input: string, privateKey: KeyObject, algorithm: string): string {
  if (algorithm === 'EdDSA') return sign(null, Buffer.from(input), privateKey).toString('base64url')
  const padding = algorithm.startsWith('PS')
    ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
    : {}
  const options = { key: privateKey, dsaEncoding: 'ieee-p1363' as const, ...padding }
  return sign(`sha${algorithm.slice(2)}`, Buffer.from(input), options).toString('base64url')
}

/** Authenticates with a shared secret. */
export function craftWithSecret(header: Members, claims: Members, secret: string | Buffer): string {
  const input = `${encode(header)}.${encode(claims)}`
  const hash = `sha${String(header['alg']).slice(2)}`
  return `${input}.${createHmac(hash, secret).update(input).digest('base64url')}`
}

/** Encodes a part of a token: text as it is, and members as JSON without those that are null. */
export function encode(part: Members | string): string {
  const text =
    typeof part === 'string'
      ? part
      : JSON.stringify(Object.fromEntries(Object.entries(part).filter(([, value]) => value !== null)))
  return Buffer.from(text).toString('base64url')
}

/** A bundle document with these entries. */
export function toDocument(...signers: readonly (Signer | Members)[]): string {
  return JSON.stringify({ keys: signers.map((signer) => ('jwk' in signer ? signer.jwk : signer)) })
}
