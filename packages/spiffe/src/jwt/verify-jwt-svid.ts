import { describeThrown, isRecord, parseStringList, refuseValue } from '../options.ts'
import { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import type { JsonObject, JsonValue } from '../trust/strict-json.ts'
import { isAllowedAlgorithm, type JwtAlgorithm, keyKindOf } from './algorithms.ts'
import { decodePart, splitToken } from './compact-token.ts'
import { type JwtBundle, keysOf } from './jwt-bundle.ts'
import type { JwtBundles } from './jwt-bundle-source.ts'
import type { JwtKey } from './jwt-key.ts'
import { type JwtSvid, mintJwtSvid } from './jwt-svid.ts'
import { isRefused, type JwtSvidReason, refuse } from './refusal.ts'
import { toPlainValue } from './plain-value.ts'
import { verifySignature } from './verify-signature.ts'

/** What a token is verified against. */
export interface JwtClaim {
  /** By trust domain. Only the bundle of the trust domain in the token's own `sub` is used. */
  readonly bundles: JwtBundles
  /** Our own names. At least one; the token must be for one of them. */
  readonly audiences: readonly string[]
  /** Epoch milliseconds. */
  readonly now: number
}

/** The proof, or the reason why there is none. */
export type JwtVerdict =
  | { readonly ok: true; readonly svid: JwtSvid }
  | {
      readonly ok: false
      readonly reason: JwtSvidReason
      /** For operators, never for the caller. Never contains the token. */
      readonly detail: string
      /** The SPIFFE ID that the token claims, if it could be read. */
      readonly spiffeId?: string
    }

/**
 * Verifies a JWT-SVID in compact serialization (JWT-SVID §2 to §4, RFC 7519 §7.2). Uses only the JWT authorities of the
 * trust domain in its own subject. Never rejects because of the token.
 *
 * A token has expired at its `exp`, without leeway. The clock of its issuer may be 60 seconds ahead of ours (`nbf`).
 *
 * @throws {ConfigurationError} `option_invalid` without bundles, an audience or a time: a check that is not configured
 * is not skipped
 * @see https://github.com/spiffe/spiffe/blob/main/standards/JWT-SVID.md#4-jwt-svid-validation
 */
export async function verifyJwtSvid(token: string, options: JwtClaim): Promise<JwtVerdict> {
  const { bundles, audiences, now } = checkOptions(options)
  let spiffeId: SpiffeId | undefined
  try {
    const parts = splitToken(token)
    const header = readHeader(decodePart(parts.header, 'header'))
    const claims = decodePart(parts.claims, 'set of claims')
    spiffeId = readSubject(claims)
    const tokenAudiences = readTokenAudiences(claims)
    checkAudience(tokenAudiences, audiences)
    checkClaimTypes(claims)
    const issuedAt = readTime(claims, 'iat')
    const expiresAt = readExpiry(claims, now)
    checkStart(claims, now)
    const bundle = findBundle(bundles, spiffeId)
    const key = await verifySignature(token, header.algorithm, findKeys(bundle, header))
    if (key === undefined) refuse('signature_invalid', describeKeys(bundle, header))
    return {
      ok: true,
      svid: mintJwtSvid({
        spiffeId,
        audiences: tokenAudiences,
        expiresAt,
        issuedAt,
        claims: toPlainValue(claims),
        keyId: key.id,
        bundle,
      }),
    }
  } catch (error) {
    if (!isRefused(error)) throw error
    const { reason, detail } = error
    return { ok: false, reason, detail, ...(spiffeId && { spiffeId: spiffeId.toString() }) }
  }
}

// Copies, because the caller could change its list while the signature is verified.
function checkOptions(options: unknown): JwtClaim {
  const where = 'verifyJwtSvid'
  if (!isRecord(options)) return refuseValue(where, options, 'an object with bundles, audiences and now')
  const { bundles, audiences, now } = options
  if (!(bundles instanceof Map)) refuseValue(`${where}: bundles`, bundles, 'a map of JWT bundles by trust domain')
  if (typeof now !== 'number' || !isTime(now)) refuseValue(`${where}: now`, now, 'epoch milliseconds')
  return { bundles, audiences: parseStringList(audiences, `${where}: audiences`), now }
}

interface Header {
  readonly algorithm: JwtAlgorithm
  /** The `kid`; undefined if the token names no key. */
  readonly keyId: string | undefined
}

function readHeader(header: JsonObject): Header {
  // §2.1, §4: before anything else. Without this list, `none` or a key used as a shared secret would be accepted.
  const algorithm = header.get('alg')
  if (!isAllowedAlgorithm(algorithm)) {
    return refuse('algorithm_forbidden', `found ${show(algorithm)}, expected RS, ES or PS with 256, 384 or 512`)
  }
  // §2: no other header. `jwk`, `jku` and `x5c` name a key of the sender, and `crit` (RFC 7515 §4.1.11) an extension.
  const further = [...header.keys()].find((name) => name !== 'alg' && name !== 'kid' && name !== 'typ')
  if (further !== undefined)
    refuse('header_forbidden', `found the header ${show(further)}, expected only alg, kid and typ`)
  // §2.3: tokens of other kinds, such as `at+jwt` and `wit+jwt`, may be signed with the same key.
  const type = header.get('typ')
  if (type !== undefined && type !== 'JWT' && type !== 'JOSE') {
    refuse('type_forbidden', `found ${show(type)}, expected JWT, JOSE or no typ`)
  }
  const keyId = header.get('kid')
  if (keyId === undefined || typeof keyId === 'string') return { algorithm, keyId }
  return refuse('token_malformed', 'found a kid that is not text')
}

// §3.1.
function readSubject(claims: JsonObject): SpiffeId {
  const sub = claims.get('sub')
  if (sub === undefined) refuse('subject_missing', 'found no sub, expected a SPIFFE ID')
  const id = parseSpiffeId(sub)
  // SPIFFE-ID §2.2: without a path it names the trust domain, not a workload.
  if (id.path === '') refuse('spiffe_id_without_path', 'found a SPIFFE ID without a path, expected that of a workload')
  return id
}

function parseSpiffeId(sub: JsonValue): SpiffeId {
  if (typeof sub !== 'string') return refuse('spiffe_id_invalid', 'found a sub that is not text, expected a SPIFFE ID')
  try {
    return SpiffeId.parse(sub)
  } catch (error) {
    return refuse('spiffe_id_invalid', describeThrown(error))
  }
}

// §3.2, RFC 7519 §4.1.3: one text, or a list of them.
function readTokenAudiences(claims: JsonObject): readonly string[] {
  const aud = claims.get('aud')
  const list: readonly unknown[] = Array.isArray(aud) ? aud : [aud]
  const audiences = list.filter((audience) => typeof audience === 'string')
  if (audiences.length === 0) refuse('audience_missing', 'found no aud, expected at least one audience')
  if (audiences.length < list.length) refuse('claim_malformed', 'found an aud that is not text')
  return Object.freeze(audiences)
}

// §3.2: a token for another service was not sent to us by its owner.
function checkAudience(found: readonly string[], expected: readonly string[]): void {
  if (found.some((audience) => expected.includes(audience))) return
  const more = found.length > 1 ? ` and ${found.length - 1} more` : ''
  refuse(
    'audience_unexpected',
    `found the audience ${show(found[0])}${more}, expected ${expected.map(show).join(' or ')}`,
  )
}

// RFC 7519 §4.1.1 and §4.1.7.
function checkClaimTypes(claims: JsonObject): void {
  for (const name of ['iss', 'jti']) {
    const value = claims.get(name)
    if (value !== undefined && typeof value !== 'string') refuse('claim_malformed', `found an ${name} that is not text`)
  }
}

// §3.3. No leeway: a certificate has none, and a token is short-lived to be useless afterwards.
function readExpiry(claims: JsonObject, now: number): number {
  const expiresAt = readTime(claims, 'exp')
  if (expiresAt === undefined) return refuse('expiry_missing', 'found no exp, expected one')
  if (expiresAt <= now) refuse('expired', `the token expired at ${showTime(expiresAt)}; it is ${showTime(now)}`)
  return expiresAt
}

/** How far the issuer's clock may be ahead of ours. */
const leewayMs = 60_000

// RFC 7519 §4.1.5.
function checkStart(claims: JsonObject, now: number): void {
  const start = readTime(claims, 'nbf')
  if (start === undefined || start <= now + leewayMs) return
  refuse('not_yet_valid', `the token is valid from ${showTime(start)}; it is ${showTime(now)}`)
}

// RFC 7519 §2, NumericDate.
function readTime(claims: JsonObject, name: string): number | undefined {
  const value = claims.get(name)
  if (value === undefined) return undefined
  const isNumber = typeof value === 'number' || typeof value === 'bigint'
  const milliseconds = isNumber ? Number(value) * 1000 : Number.NaN
  if (isTime(milliseconds)) return milliseconds
  return refuse('claim_malformed', `found an ${name} that is not a time, expected seconds since 1970`)
}

// `Date` ends in the year 275760; for later times and NaN, `toISOString` throws.
function isTime(milliseconds: number): boolean {
  return Math.abs(milliseconds) <= 8.64e15
}

// SPIFFE Workload API §6.3: no other trust domain may vouch for this subject.
function findBundle(bundles: JwtBundles, { trustDomain }: SpiffeId): JwtBundle {
  const bundle = bundles.get(trustDomain)
  if (bundle?.trustDomain === trustDomain) return bundle
  return refuse('trust_domain_unknown', `there is no JWT bundle for ${trustDomain}`)
}

/** How many keys are tried. Without a limit, one request could cause hundreds of signature checks. */
const mostTries = 4

// §2.2: `kid` is optional. Without it, every key that fits the algorithm may have signed.
function findKeys(bundle: JwtBundle, header: Header): readonly JwtKey[] {
  const { algorithm, keyId } = header
  const named = keysOf(bundle).filter(({ id }) => keyId === undefined || id === keyId)
  const fitting = named.filter(
    (key) => key.kind === keyKindOf(algorithm) && (key.algorithm === undefined || key.algorithm === algorithm),
  )
  if (fitting.length > 0) return fitting.slice(0, mostTries)
  return refuse('key_unknown', describeKeys(bundle, header))
}

function describeKeys({ trustDomain, keyIds, faults }: JwtBundle, { algorithm, keyId }: Header): string {
  const key = keyId === undefined ? 'no kid' : `the kid ${show(keyId)}`
  const left = faults.length === 0 ? '' : `; ${faults.length} unusable keys are left out of it`
  const known = keyIds.slice(0, 3).map(show).join(', ')
  const rest = keyIds.length > 3 ? ` and ${keyIds.length - 3} more` : ''
  return `found ${key} and ${algorithm}, expected a key of the bundle of ${trustDomain}: ${known || 'it has none'}${rest}${left}`
}

function show(value: unknown): string {
  if (typeof value !== 'string') return value === undefined ? 'none' : 'a value that is not text'
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 79)}…` : value)
}

function showTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
