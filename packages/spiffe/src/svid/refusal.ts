import type { PathRefusal } from '../certificate/path-request.ts'

/** Why a presented chain is rejected, regardless of the names in its leaf. For operators, never for the peer. */
export type ChainRefusal =
  | PathRefusal
  | 'certificate_missing'
  | 'certificate_malformed'
  | 'leaf_is_ca'
  | 'key_usage_missing'
  | 'key_usage_not_critical'
  | 'digital_signature_missing'
  | 'leaf_may_sign'
  | 'extended_key_usage_incomplete'

/** Thrown at the first failing check of a checklist. Always caught by the function that runs the checklist. */
export class Refused<Reason extends string = ChainRefusal> extends Error {
  readonly reason: Reason
  readonly detail: string

  constructor(reason: Reason, detail: string) {
    super()
    this.reason = reason
    this.detail = detail
  }
}
