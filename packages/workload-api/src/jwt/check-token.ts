import { SpiffeId } from '@countersign/spiffe'
import { isRecord } from '@countersign/spiffe/options'
import { refuseMessage } from '../wire/refuse-message.ts'

/** What a token from the agent must contain. */
export interface ExpectedToken {
  /** The SPIFFE ID that the agent sent with the token. */
  readonly spiffeId: string
  /** The audiences that we requested. The token may have more. */
  readonly audience: readonly string[]
  /** Epoch milliseconds. */
  readonly now: number
}

/**
 * Checks a JWT-SVID from the agent, except for its signature (JWT-SVID §2 and §3). The recipient of the token verifies
 * the signature. Returns the expiry in epoch milliseconds. No error shows the token.
 *
 * @throws {SourceError} `message_malformed` if the text is not a JWS in compact serialization, for an algorithm that
 * JWT-SVID does not allow (including `none` and symmetric ones), a `typ` other than JWT or JOSE, critical headers, an
 * unexpected subject or audience, and a token that has expired or is not valid yet
 * @see https://github.com/spiffe/spiffe/blob/main/standards/JWT-SVID.md#3-jwt-claims
 */
export function checkToken(token: string, { spiffeId, audience, now }: ExpectedToken): number {
  const parts = token.split('.')
  const [header, claims, signature = ''] = parts
  if (parts.length !== 3) refuse(`${parts.length} parts`, 'header, claims and signature')
  checkHeader(readPart(header, 'header'))
  // §2.1: the signature of an unsigned token is empty.
  if (signature === '' || !isBase64Url(signature)) refuse('no signature in base64url', 'one')
  const { sub, aud, exp, nbf } = readPart(claims, 'claims')
  checkSubject(sub, spiffeId)
  checkAudience(aud, audience)
  checkStart(nbf, now)
  return readExpiry(exp, now)
}

/** JWT-SVID §2.1. */
const algorithms: ReadonlySet<unknown> = new Set(
  ['RS', 'ES', 'PS'].flatMap((family) => [256, 384, 512].map((bits) => `${family}${bits}`)),
)

function checkHeader({ alg, typ, crit }: Record<string, unknown>): void {
  if (!algorithms.has(alg)) refuse(`the algorithm ${show(alg)}`, 'RS, ES or PS with 256, 384 or 512')
  // §2.3
  if (typ !== undefined && typ !== 'JWT' && typ !== 'JOSE') refuse(`the type ${show(typ)}`, 'JWT, JOSE or none')
  // RFC 7515 §4.1.11: a token with an unknown critical extension must be rejected.
  if (crit !== undefined) refuse('critical header parameters', 'alg, kid and typ')
}

// §3.1. With another workload's token, we would act in that workload's name.
function checkSubject(sub: unknown, spiffeId: string): void {
  if (typeof sub !== 'string' || sub === '') refuse('no claim sub', `sub ${spiffeId}`)
  if (sub === spiffeId) return
  refuse(isSpiffeId(sub) ? `sub ${sub}` : 'a sub that is not a SPIFFE ID', `sub ${spiffeId}`)
}

// §3.2
function checkAudience(aud: unknown, expected: readonly string[]): void {
  const found: readonly unknown[] = Array.isArray(aud) ? aud : [aud]
  const missing = expected.find((audience) => !found.includes(audience))
  if (missing !== undefined) refuse(`an aud without ${show(missing)}`, 'every requested audience')
}

/** How far the issuer's clock may be ahead of ours. */
const leewayMs = 60_000

function checkStart(nbf: unknown, now: number): void {
  if (nbf === undefined) return
  const start = readSeconds(nbf, 'nbf')
  if (start > now + leewayMs)
    refuse(`a token that is valid from ${showTime(start)}`, 'one that is valid now; check the clocks')
}

// §3.3. No leeway: we want to use the token, and its recipient would reject it.
function readExpiry(exp: unknown, now: number): number {
  const end = readSeconds(exp, 'exp')
  return now < end ? end : refuse(`a token that expired at ${showTime(end)}`, 'one that is valid now; check the clocks')
}

function readSeconds(value: unknown, claim: string): number {
  const milliseconds = typeof value === 'number' ? value * 1000 : Number.NaN
  return Number.isNaN(new Date(milliseconds).getTime())
    ? refuse(`a claim ${claim} that is not a time`, 'seconds since 1970')
    : milliseconds
}

function readPart(part: string | undefined, name: string): Record<string, unknown> {
  try {
    if (part === undefined || !isBase64Url(part)) return refuse(`a ${name} that is not base64url`, 'JSON in base64url')
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
    if (isRecord(value)) return value
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  return refuse(`a ${name} that is not a JSON object`, 'one in base64url')
}

// `Buffer.from` skips invalid characters.
function isBase64Url(text: string): boolean {
  return Buffer.from(text, 'base64url').toString('base64url') === text
}

function isSpiffeId(text: string): boolean {
  try {
    return SpiffeId.parse(text).toString() === text
  } catch {
    return false
  }
}

function show(value: unknown): string {
  const text = typeof value === 'string' ? `'${value}'` : typeof value
  return text.length > 100 ? `${text.slice(0, 99)}…` : text
}

function showTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}

function refuse(found: string, expected: string): never {
  return refuseMessage(`svid: found ${found}, expected ${expected}`)
}
