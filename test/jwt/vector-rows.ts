import { createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { asObject, readList, readText } from './read-json.ts'
import {
  craft,
  craftWithSecret,
  createSigner,
  encode,
  type Members,
  type Signer,
  signText,
  toDocument,
} from './tokens.ts'

/** The rows of test/vectors/jwt-svid-cases.json about tokens, and how to make each token. */

export const subject = 'spiffe://test.example.org/workload'

export const signers = {
  authority1: createSigner('authority1'),
  authority2: createSigner('authority2', 'RSA'),
  p384: createSigner('p384', 'P-384'),
  p521: createSigner('p521', 'P-521'),
  ed25519: createSigner('ed25519', 'Ed25519'),
}
export const strangers = { ec: createSigner('authority1'), rsa: createSigner('authority1', 'RSA') }

/** The bundle documents by trust domain. */
export const documents = {
  'test.example.org': toDocument(...Object.values(signers)),
  'b.test': toDocument(strangers.ec),
}

/** The bundle of a row in which the key is a shared secret. */
export const secretDocument: string = toDocument({ kty: 'oct', k: 'AAAA', kid: 'authority1', use: 'jwt-svid' })

export interface Row {
  readonly id: string
  readonly verdict: string
  readonly source: string
  readonly header: Members
  readonly claims: Members
  readonly sign: string
  readonly literal: string | undefined
  readonly audience: string | undefined
}

const vectors = asObject(JSON.parse(readFileSync(new URL('../vectors/jwt-svid-cases.json', import.meta.url), 'utf8')))
const defaults = asObject(vectors['defaults'])

/** The rows, with times relative to `now` in epoch milliseconds. */
export function readRows(now: number): readonly Row[] {
  return readList(vectors['tokens']).map((row) => {
    const entry = asObject(row)
    return {
      id: readText(entry['id']),
      verdict: readText(entry['verdict']),
      source: readList(entry['sources']).map(String).join(', '),
      header: merge(defaults['header'], entry['header'], now),
      claims: merge(defaults['claims'], entry['claims'], now),
      sign: readText(entry['sign']),
      literal: typeof entry['literal'] === 'string' ? entry['literal'] : undefined,
      audience: typeof entry['audience'] === 'string' ? entry['audience'] : undefined,
    }
  })
}

/** The claims of a valid token. */
export function createClaims(now: number): Members {
  return merge(defaults['claims'], {}, now)
}

/** The reason of each rejected row, and our answer to each row that the standard leaves open. */
export const expected: Readonly<Record<string, string>> = {
  'alg-none': 'algorithm_forbidden',
  'alg-HS256': 'algorithm_forbidden',
  'alg-HS384': 'algorithm_forbidden',
  'alg-HS512': 'algorithm_forbidden',
  'alg-hmac-with-public-key': 'algorithm_forbidden',
  'alg-hs256-oct-in-bundle': 'key_unknown',
  'alg-eddsa-key-in-bundle': 'algorithm_forbidden',
  'alg-rs256-header-ec-key': 'key_unknown',
  'alg-es384-header-p256-key': 'key_unknown',
  'no-aud': 'audience_missing',
  'empty-aud': 'audience_missing',
  'other-aud': 'audience_unexpected',
  'no-exp': 'expiry_missing',
  expired: 'expired',
  'expired-within-leeway': 'expired',
  'exp-string': 'claim_malformed',
  'exp-huge': 'ok',
  'nbf-future': 'not_yet_valid',
  'tampered-signature': 'signature_invalid',
  'tampered-payload': 'signature_invalid',
  'unknown-kid': 'key_unknown',
  'mismatched-authority': 'signature_invalid',
  'cross-td-key': 'key_unknown',
  'no-bundle-for-td': 'trust_domain_unknown',
  'sub-not-spiffe': 'spiffe_id_invalid',
  'no-sub': 'subject_missing',
  'empty-sub': 'spiffe_id_invalid',
  'sub-trust-domain-only': 'spiffe_id_without_path',
  'typ-invalid': 'type_forbidden',
  'typ-OTHER': 'type_forbidden',
  'typ-at+jwt': 'type_forbidden',
  'typ-wit+jwt': 'type_forbidden',
  'typ-empty-string': 'type_forbidden',
  'typ-lowercase-jwt': 'type_forbidden',
  'blank-kid': 'key_unknown',
  'unknown-crit': 'header_forbidden',
  'jwk-header': 'header_forbidden',
  'json-serialization': 'token_malformed',
  'two-parts': 'token_malformed',
  'four-parts': 'token_malformed',
  'bad-base64': 'token_malformed',
  'padded-base64': 'token_malformed',
  'bad-json': 'token_malformed',
  'invalid-token-text': 'token_malformed',
  empty: 'token_malformed',
  'literal-hs256-go': 'algorithm_forbidden',
  'literal-hs256-java': 'algorithm_forbidden',
  'aud-oversized': 'token_too_large',
}

/** Makes the token of a row. */
export function createToken(row: Row): string {
  return row.literal ?? (tokens[row.id] ?? create)(row)
}

/** Rows whose token does not follow from their fields. */
const tokens: Readonly<Record<string, (row: Row) => string>> = {
  'alg-none': ({ header, claims }) => `${encode(header)}.${encode(claims)}.`,
  'alg-hmac-with-public-key': ({ header, claims }) => craftWithSecret(header, claims, toPem(signers.authority1)),
  'alg-eddsa-key-in-bundle': ({ header, claims }) =>
    craft({ ...header, kid: 'ed25519' }, claims, signers.ed25519.privateKey),
  'alg-rs256-header-ec-key': ({ header, claims }) =>
    craft({ ...header, kid: 'authority1' }, claims, strangers.rsa.privateKey),
  'alg-es384-header-p256-key': ({ header, claims }) =>
    craft({ ...header, kid: 'authority1' }, claims, signers.authority1.privateKey),
  'mismatched-authority': ({ header, claims }) => craft(header, claims, strangers.ec.privateKey),
  'exp-string': ({ header, claims }) => craft(header, { ...claims, exp: '1893456000' }, signers.authority1.privateKey),
  'exp-huge': ({ header, claims }) => craft(header, { ...claims, exp: 12_343_435_345 }, signers.authority1.privateKey),
  'cross-td-key': ({ header, claims }) =>
    craft({ ...header, kid: 'authority2', alg: 'RS256' }, claims, signers.authority2.privateKey),
  'tampered-signature': (row) => flipBit(create(row)),
  'tampered-payload': (row) => {
    const [header = '', , signature = ''] = create(row).split('.')
    const claims: Members = { ...row.claims, sub: `${subject}-admin` }
    return `${header}.${encode(claims)}.${signature}`
  },
  'json-serialization': (row) => {
    const [header = '', payload = '', signature = ''] = create(row).split('.')
    return JSON.stringify({ payload, protected: header, signature })
  },
  'two-parts': (row) => create(row).split('.').slice(0, 2).join('.'),
  'four-parts': (row) => `${create(row)}.x`,
  'bad-base64': (row) => {
    const [header = '', payload = '', signature = ''] = create(row).split('.')
    return `${header}.${payload.slice(0, 8)}!${payload.slice(8)}.${signature}`
  },
  'padded-base64': (row) => `${create(row)}==`,
  'bad-json': ({ header }) => {
    const input = `${encode(header)}.${encode('{"sub":')}`
    return `${input}.${signText(input, signers.authority1.privateKey, 'ES256')}`
  },
  'aud-oversized': ({ header, claims }) =>
    craft(
      header,
      { ...claims, aud: Array.from({ length: 2000 }, (_, index) => `audience-${index}`) },
      signers.authority1.privateKey,
    ),
}

/** Signs a row as its field `sign` says. */
function create({ header, claims, sign }: Row): string {
  const algorithm = String(header['alg'])
  if (algorithm.startsWith('HS')) return craftWithSecret(header, claims, 'a random secret')
  if (!sign.endsWith('matching key')) return craft(header, claims, signers.authority1.privateKey)
  const { jwk, privateKey } =
    { ES256: signers.authority1, ES384: signers.p384, ES512: signers.p521 }[algorithm] ?? signers.authority2
  return craft({ ...header, kid: jwk.kid }, claims, privateKey)
}

function merge(base: unknown, changes: unknown, now: number): Members {
  return Object.fromEntries(
    Object.entries({ ...asObject(base), ...asObject(changes) }).map(([name, value]) => [name, resolveTime(value, now)]),
  )
}

function resolveTime(value: unknown, now: number): unknown {
  const [, offset] = typeof value === 'string' ? (/^now([+-]\d+)?$/.exec(value) ?? []) : []
  return typeof value === 'string' && value.startsWith('now') ? Math.floor(now / 1000) + Number(offset ?? 0) : value
}

function flipBit(token: string): string {
  const [header = '', payload = '', signature = ''] = token.split('.')
  const bytes = Buffer.from(signature, 'base64url')
  bytes.writeUInt8(bytes.readUInt8(10) ^ 1, 10)
  return `${header}.${payload}.${bytes.toString('base64url')}`
}

function toPem({ privateKey }: Signer): string {
  return createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString()
}
