import { SpiffeId } from '@countersign/core'
import { isRecord } from '@countersign/core/options'
import type { JwtSvidEntry } from '../wire/messages.ts'
import { refuseMessage } from '../wire/refuse-message.ts'

/**
 * A JWT-SVID as the agent gave it. Whoever shows the token is taken for the workload: it belongs in no log, and neither
 * `console.log` nor `JSON.stringify` shows it.
 */
export class JwtSvid {
  readonly spiffeId: SpiffeId
  readonly hint: string
  /** Epoch milliseconds, as the token says (JWT-SVID §3.3). */
  readonly expiresAt: number
  readonly #token: string

  /** Called by `readJwtSvid`. */
  constructor({ spiffeId, token, hint }: JwtSvidEntry) {
    this.spiffeId = SpiffeId.parse(spiffeId)
    this.hint = hint
    this.expiresAt = readExpiry(token)
    this.#token = token
    Object.freeze(this)
  }

  /** The compact serialization, for `Authorization: Bearer` (JWT-SVID §5.2). */
  get token(): string {
    return this.#token
  }
}

/**
 * Reads one SVID of a JWTSVIDResponse (SPIFFE Workload API §6.2.1). The token is not verified: that is for whom it is for.
 *
 * @throws {SourceError} `message_malformed` for a mandatory field at its default, or a token that does not say when it
 * expires
 * @throws {SpiffeIdError} for a SPIFFE ID that is none
 */
export function readJwtSvid(entry: JwtSvidEntry): JwtSvid {
  if (entry.spiffeId === '') refuseMessage('spiffe_id is empty, expected a value')
  if (entry.token === '') refuseMessage('svid is empty, expected a token')
  return new JwtSvid(entry)
}

function readExpiry(token: string): number {
  const claims = readClaims(token)
  const seconds = isRecord(claims) ? claims['exp'] : undefined
  if (typeof seconds === 'number' && Number.isFinite(seconds * 1000)) return seconds * 1000
  return refuseMessage('svid has no expiry that can be read, expected a token with the claim exp')
}

function readClaims(token: string): unknown {
  try {
    return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'))
  } catch {
    return undefined
  }
}
