import { Refused } from '../svid/refusal.ts'

/** Why a token is not a JWT-SVID for us, as a closed union. For operators, never for the caller. */
export type JwtSvidReason =
  | 'token_too_large'
  | 'token_malformed'
  | 'algorithm_forbidden'
  | 'header_forbidden'
  | 'type_forbidden'
  | 'claim_malformed'
  | 'subject_missing'
  | 'spiffe_id_invalid'
  | 'spiffe_id_without_path'
  | 'audience_missing'
  | 'audience_unexpected'
  | 'expiry_missing'
  | 'expired'
  | 'not_yet_valid'
  | 'trust_domain_unknown'
  | 'key_unknown'
  | 'signature_invalid'

/** Throws at the first failing check of the checklist. The detail never contains the token. */
export function refuse(reason: JwtSvidReason, detail: string): never {
  throw new Refused(reason, detail)
}

/** Returns true for what `refuse` throws. */
export function isRefused(error: unknown): error is Refused<JwtSvidReason> {
  return error instanceof Refused
}
