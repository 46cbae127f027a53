import { createHmac, createPublicKey } from 'node:crypto'
import { ConfigurationError } from '@countersign/spiffe'
import { createJwtAuthority, type JwtAuthority } from './jwt-authority.ts'

/** The faults that a JWT-SVID can have. Each breaks one thing; see the table in this file. */
export type JwtFault =
  | 'expired'
  | 'no_expiry'
  | 'not_yet_valid'
  | 'wrong_audience'
  | 'no_audience'
  | 'no_subject'
  | 'no_path'
  | 'invalid_spiffe_id'
  | 'foreign_trust_domain'
  | 'foreign_key'
  | 'unknown_key'
  | 'no_key_id'
  | 'bad_signature'
  | 'no_signature'
  | 'alg_none'
  | 'hs256'
  | 'wrong_algorithm'
  | 'at_jwt_type'
  | 'wit_jwt_type'
  | 'critical_header'
  | 'key_in_header'
  | 'duplicate_claims'
  | 'json_serialization'

/** Everything that becomes part of a token. */
export interface JwtBlueprint {
  readonly header: Readonly<Record<string, unknown>>
  readonly claims: Readonly<Record<string, unknown>>
  readonly authority: JwtAuthority
  /** Encodes the claims. */
  readonly write: (claims: Readonly<Record<string, unknown>>) => string
  /** Signs header and claims, and returns the signature. `strong` does it as the standard requires. */
  readonly sign: 'strong' | ((input: string, authority: JwtAuthority) => string)
  /** Changes the finished token. */
  readonly damage: (token: string) => string
}

/** What a fault may depend on. */
interface JwtIssueContext {
  /** The time of issue, in seconds since 1970. */
  readonly now: number
  /** The trust domain of the issuing authority. */
  readonly trustDomain: string
}

/** The defects, one per line. `no_key_id` is not one: the standard allows it, and many libraries refuse it. */
const jwtFaults: Readonly<Record<JwtFault, (token: JwtBlueprint, context: JwtIssueContext) => Partial<JwtBlueprint>>> =
  {
    expired: (token, { now }) => withClaims(token, { iat: now - 3600, exp: now - 300 }),
    no_expiry: (token) => withClaims(token, { exp: undefined }),
    not_yet_valid: (token, { now }) => withClaims(token, { nbf: now + 3600, exp: now + 7200 }),
    wrong_audience: (token) => withClaims(token, { aud: ['another-service'] }),
    no_audience: (token) => withClaims(token, { aud: undefined }),
    no_subject: (token) => withClaims(token, { sub: undefined }),
    no_path: (token, { trustDomain }) => withClaims(token, { sub: `spiffe://${trustDomain}` }),
    invalid_spiffe_id: (token) => withClaims(token, { sub: `${String(token.claims['sub'])}/../admin` }),
    foreign_trust_domain: (token, { trustDomain }) => withClaims(token, { sub: toForeign(token, trustDomain) }),
    foreign_key: ({ header, authority }) => {
      const { privateKey } = createJwtAuthority()
      return { header, authority: { ...authority, privateKey } }
    },
    unknown_key: (token) => withHeader(token, { kid: 'unknown' }),
    no_key_id: (token) => withHeader(token, { kid: undefined }),
    bad_signature: () => ({ damage: flipBit }),
    no_signature: () => ({ sign: () => '' }),
    alg_none: (token) => ({ ...withHeader(token, { alg: 'none' }), sign: () => '' }),
    hs256: (token) => ({ ...withHeader(token, { alg: 'HS256' }), sign: signWithPublicKey }),
    wrong_algorithm: (token) => withHeader(token, { alg: 'RS256' }),
    at_jwt_type: (token) => withHeader(token, { typ: 'at+jwt' }),
    wit_jwt_type: (token) => withHeader(token, { typ: 'wit+jwt' }),
    critical_header: (token) => withHeader(token, { crit: ['exp'] }),
    key_in_header: (token) => {
      const attacker = createJwtAuthority()
      return { ...withHeader(token, { jwk: attacker.jwk }), authority: attacker }
    },
    duplicate_claims: () => ({ write: repeatSubject }),
    json_serialization: () => ({ damage: toJsonSerialization }),
  }

/**
 * Applies faults in the given order.
 *
 * @throws {ConfigurationError} `option_invalid` for an unknown fault
 */
export function applyJwtFaults(
  token: JwtBlueprint,
  faults: readonly JwtFault[],
  context: JwtIssueContext,
): JwtBlueprint {
  return faults.reduce((changed, fault) => {
    if (!Object.hasOwn(jwtFaults, fault)) {
      const message = `faults: found '${fault}', expected one of ${Object.keys(jwtFaults).join(', ')}`
      throw new ConfigurationError('option_invalid', message, { value: fault })
    }
    return { ...changed, ...jwtFaults[fault](changed, context) }
  }, token)
}

// A member that is undefined is left out, because `JSON.stringify` omits it.
function withClaims({ claims }: JwtBlueprint, changes: JwtBlueprint['claims']): Partial<JwtBlueprint> {
  return { claims: { ...claims, ...changes } }
}

function withHeader({ header }: JwtBlueprint, changes: JwtBlueprint['header']): Partial<JwtBlueprint> {
  return { header: { ...header, ...changes } }
}

/** An ID that is already foreign stays as the test specified it. */
function toForeign({ claims }: JwtBlueprint, trustDomain: string): string {
  const id = String(claims['sub'])
  const own = `spiffe://${trustDomain}/`
  return id.startsWith(own) ? `spiffe://foreign.example/${id.slice(own.length)}` : id
}

// The classic confusion of algorithms: a verifier that takes the public key as a shared secret accepts this.
function signWithPublicKey(input: string, { privateKey }: JwtAuthority): string {
  const secret = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' })
  return createHmac('sha256', secret).update(input).digest('base64url')
}

function flipBit(token: string): string {
  const [header = '', claims = '', signature = ''] = token.split('.')
  const bytes = Buffer.from(signature, 'base64url')
  bytes.writeUInt8(bytes.readUInt8(0) ^ 1, 0)
  return `${header}.${claims}.${bytes.toString('base64url')}`
}

// `JSON.parse` takes the last of them, and other readers the first.
function repeatSubject(claims: JwtBlueprint['claims']): string {
  return `{"sub":"spiffe://saas.example/admin",${JSON.stringify(claims).slice(1)}`
}

function toJsonSerialization(token: string): string {
  const [header = '', payload = '', signature = ''] = token.split('.')
  return JSON.stringify({ payload, protected: header, signature })
}
