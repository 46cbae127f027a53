import type { RequirementReason } from './check-requirement.ts'
import type { TargetReason } from './target.ts'

/** What a denied caller is told, beside a status and the id; nothing about rules or certificates. */
export type DenialCode =
  | 'access_denied'
  | 'client_certificate_required'
  | 'identity_invalid'
  | 'ambiguous_request'
  | 'authorization_unavailable'

/** Why a request was denied; closed, for operators. */
export type DenialReason =
  | TargetReason
  | RequirementReason
  /** No rule covers method and path. */
  | 'no_rule'
  /** Routers that read the path differently would reach rules that decide differently. */
  | 'ambiguous_path'
  /** The connection carries a certificate that proves nobody. */
  | 'identity_invalid'
  /** The certificate that authenticated the connection is no longer valid. */
  | 'identity_expired'
  /** There is no X.509 material to decide with. */
  | 'source_unavailable'
  /** Method or path changed between the decision and the route. */
  | 'request_rewritten'
  /** A route demands a decision and the guard did not see the request. */
  | 'guard_missing'

/** A request that does not pass. */
export interface Denial {
  readonly effect: 'deny'
  readonly status: 400 | 403 | 503
  readonly code: DenialCode
  readonly reason: DenialReason
  /** The reason in words, for the log and nothing that a caller sees. */
  readonly detail: string
  /** Names this denial to the caller and in the log, so that the two can be brought together. */
  readonly id: string
  /** The index of the rule that decided, where one did. */
  readonly rule?: number
  /** The authorities that the caller lacks, where that is the reason. */
  readonly missing?: readonly string[]
  /** Whom the certificate names, where it proved a caller that then could not be made a principal. */
  readonly principal?: string
}

/** A request that passes; one frozen value for each rule, so that a pass costs no allocation. */
export interface Allowed {
  readonly effect: 'allow'
  /** The index of the rule that decided; absent where only the requirement of a route did. */
  readonly rule?: number
  /** Whether it passes only as far as rules decide, because this one leaves the request to its route. */
  readonly isLeftToRoute: boolean
}

/** Whether a request passes. */
export type Decision = Allowed | Denial

/** The value of a request that fulfils the requirement of its route. */
export const allowedByRoute: Allowed = Object.freeze({ effect: 'allow', isLeftToRoute: false })

/** Makes a denial with an id of its own and the answer that belongs to its reason. */
export function createDenial(
  reason: DenialReason,
  detail: string,
  about: Pick<Denial, 'rule' | 'missing' | 'principal'> = {},
): Denial {
  return Object.freeze({
    effect: 'deny',
    ...answers[reason],
    reason,
    detail,
    id: globalThis.crypto.randomUUID(),
    ...about,
  })
}

/** What a reason leads to (RFC 9110 §15.5, §15.6.4). */
type StatusAndCode = Pick<Denial, 'status' | 'code'>

const accessDenied: StatusAndCode = { status: 403, code: 'access_denied' }
const ambiguousRequest: StatusAndCode = { status: 400, code: 'ambiguous_request' }
const identityInvalid: StatusAndCode = { status: 403, code: 'identity_invalid' }
const unavailable: StatusAndCode = { status: 503, code: 'authorization_unavailable' }

const answers: Readonly<Record<DenialReason, StatusAndCode>> = {
  not_origin_form: ambiguousRequest,
  fragment: ambiguousRequest,
  forbidden_character: ambiguousRequest,
  bad_percent_encoding: ambiguousRequest,
  encoded_delimiter: ambiguousRequest,
  encoded_control: ambiguousRequest,
  edge_whitespace: ambiguousRequest,
  bad_utf8: ambiguousRequest,
  empty_segment: ambiguousRequest,
  dot_segment: ambiguousRequest,
  unknown_method: ambiguousRequest,
  missing_host: ambiguousRequest,
  several_hosts: ambiguousRequest,
  bad_host: ambiguousRequest,
  authority_mismatch: ambiguousRequest,
  // 401 would have to name an authentication scheme, and none is registered for TLS (RFC 9110 §15.5.2).
  unauthenticated: { status: 403, code: 'client_certificate_required' },
  authority_missing: accessDenied,
  caller_not_listed: accessDenied,
  service_account_not_listed: accessDenied,
  namespace_not_listed: accessDenied,
  trust_domain_not_listed: accessDenied,
  no_alternative: accessDenied,
  deny_all: accessDenied,
  custom_refused: accessDenied,
  no_route_requirement: accessDenied,
  no_rule: accessDenied,
  ambiguous_path: accessDenied,
  request_rewritten: accessDenied,
  identity_invalid: identityInvalid,
  identity_expired: identityInvalid,
  evaluation_error: unavailable,
  source_unavailable: unavailable,
  guard_missing: unavailable,
}
