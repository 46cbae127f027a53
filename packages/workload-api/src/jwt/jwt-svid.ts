import { SpiffeId } from '@countersign/spiffe'
import type { JwtSvidEntry } from '../wire/messages.ts'
import { refuseMessage } from '../wire/refuse-message.ts'
import { checkToken } from './check-token.ts'

/**
 * A JWT-SVID from the agent. The token lets its holder act as the workload, so never log it. Neither `console.log` nor
 * `JSON.stringify` includes it.
 */
export class JwtSvid {
  readonly spiffeId: SpiffeId
  readonly hint: string
  /** Epoch milliseconds, from the token (JWT-SVID §3.3). */
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

/** The request to the agent. */
interface AskedJwt {
  readonly audience: readonly string[]
  /** Empty to let the agent choose. */
  readonly spiffeId: string
}

/**
 * Reads one SVID of a JWTSVIDResponse (SPIFFE Workload API §6.2.1) and checks that it matches the request. Does not
 * verify the signature: that is up to the recipient of the token.
 *
 * @throws {SourceError} `message_malformed` for a mandatory field with its default value, a SPIFFE ID other than the
 * requested one, and a token that `checkToken` rejects
 * @throws {SpiffeIdError} for text that is not a SPIFFE ID
 */
export function readJwtSvid(entry: JwtSvidEntry, { audience, spiffeId: asked }: AskedJwt, now: number): JwtSvid {
  const { spiffeId, token } = entry
  if (spiffeId === '') refuseMessage('spiffe_id is empty, expected a value')
  if (token === '') refuseMessage('svid is empty, expected a token')
  const id = SpiffeId.parse(spiffeId).toString()
  if (asked !== '' && id !== asked) refuseMessage(`spiffe_id is ${id}, expected the requested ${asked}`)
  return new JwtSvid(entry, checkToken(token, { spiffeId: id, audience, now }))
}
