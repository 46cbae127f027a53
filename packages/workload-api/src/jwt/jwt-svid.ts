import { SpiffeId } from '@countersign/spiffe'
import type { JwtSvidEntry } from '../wire/messages.ts'
import { refuseMessage } from '../wire/refuse-message.ts'
import { checkToken } from './check-token.ts'

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
  constructor({ spiffeId, token, hint }: JwtSvidEntry, expiresAt: number) {
    this.spiffeId = SpiffeId.parse(spiffeId)
    this.hint = hint
    this.expiresAt = expiresAt
    this.#token = token
    Object.freeze(this)
  }

  /** The compact serialization, for `Authorization: Bearer` (JWT-SVID §5.2). */
  get token(): string {
    return this.#token
  }
}

/** What was asked of the agent. */
interface AskedJwt {
  readonly audience: readonly string[]
  /** Empty for the agent's choice. */
  readonly spiffeId: string
}

/**
 * Reads one SVID of a JWTSVIDResponse (SPIFFE Workload API §6.2.1) and checks that it is what was asked for. Its signature
 * is not verified: that is for whoever it is sent to.
 *
 * @throws {SourceError} `message_malformed` for a mandatory field at its default, another SPIFFE ID than the one asked
 * for, and a token as `checkToken` refuses it
 * @throws {SpiffeIdError} for text that is not a SPIFFE ID
 */
export function readJwtSvid(entry: JwtSvidEntry, { audience, spiffeId: asked }: AskedJwt, now: number): JwtSvid {
  const { spiffeId, token } = entry
  if (spiffeId === '') refuseMessage('spiffe_id is empty, expected a value')
  if (token === '') refuseMessage('svid is empty, expected a token')
  const id = SpiffeId.parse(spiffeId).toString()
  if (asked !== '' && id !== asked) refuseMessage(`spiffe_id is ${id}, expected ${asked}, which was asked for`)
  return new JwtSvid(entry, checkToken(token, { spiffeId: id, audience, now }))
}
