import { SpiffeId } from '@countersign/core'
import type { JwtSvidEntry } from '../wire/messages.ts'
import { refuseMessage } from '../wire/refuse-message.ts'

/** A JWT-SVID as the agent gave it. Whoever shows the token is taken for the workload: it belongs in no log. */
export interface JwtSvid {
  readonly spiffeId: SpiffeId
  readonly hint: string
  /** The compact serialization, for `Authorization: Bearer` (JWT-SVID §5.2). */
  readonly token: string
}

/**
 * Reads one SVID of a JWTSVIDResponse (SPIFFE Workload API §6.2.1).
 *
 * @throws {SourceError} `message_malformed` for a mandatory field at its default
 * @throws {SpiffeIdError} for a SPIFFE ID that is none
 */
export function readJwtSvid({ spiffeId, token, hint }: JwtSvidEntry): JwtSvid {
  if (spiffeId === '') refuseMessage('spiffe_id is empty, expected a value')
  if (token === '') refuseMessage('svid is empty, expected a token')
  return Object.freeze({ spiffeId: SpiffeId.parse(spiffeId), hint, token })
}
