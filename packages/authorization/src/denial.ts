import type { RequirementReason } from './check-requirement.ts'
import type { TargetReason } from './target.ts'

/** The code sent to a denied caller, with a status and the id. It reveals nothing about rules or certificates. */
export type DenialCode =
  | 'access_denied'
  | 'client_certificate_required'
  | 'authentication_required'
  | 'identity_invalid'
  | 'ambiguous_request'
  | 'authorization_unavailable'

/** Why a request was denied, for operators. The set is closed. */
export type DenialReason =
  | TargetReason
  | RequirementReason
  /** No rule covers the method and path. */
  | 'no_rule'
  /** A DENY policy matches. */
  | 'policy_denied'
  /** No ALLOW policy matches. */
  | 'no_policy'
  /** Routers that read the path differently would reach rules that decide differently. */
  | 'ambiguous_path'
  /** The connection presented a certificate that does not authenticate a caller. */
  | 'identity_invalid'
  /** The certificate that authenticated the connection is no longer valid. */
  | 'identity_expired'
  /** The identity that a proxy forwarded is malformed, repeated or not valid. */
  | 'forwarded_invalid'
  /** The proxy may not forward this identity. */
  | 'forwarding_not_allowed'
  /** A token for this service is not valid. */
  | 'token_invalid'
  /** The access token is not bound to the certificate of this caller (RFC 8705 §3). */
  | 'token_unbound'
  /** There is no X.509 material to decide with. */
  | 'source_unavailable'
  /** The method or path changed between the decision and the route. */
  | 'request_rewritten'
  /** The authorizer denied the request. */
  | 'authorizer_denied'
  /** The policy of the authorizer has no result for the request. */
  | 'authorizer_undefined'
  /** The authorizer did not answer in time, failed, returned a malformed answer, or has too many calls in flight. */
  | 'authorizer_unavailable'
  /** A route requires a decision, but the request did not pass through the guard. */
  | 'guard_missing'

/** A denied request. */
export interface Denial {
  readonly effect: 'deny'
  readonly status: 400 | 401 | 403 | 503
  readonly code: DenialCode
  readonly reason: DenialReason
  /** The reason in words, only for the log. It is never sent to callers. */
  readonly detail: string
  /** Identifies this denial in the response and in the log, so that the two can be correlated. */
  readonly id: string
  /** The index of the rule that decided, if one did. */
  readonly rule?: number
  /** The name of the DENY policy that decided, if one did. */
  readonly policy?: string
  /** The authorities that the caller lacks, if that is the reason. */
  readonly missing?: readonly string[]
  /** The value of `WWW-Authenticate`, which belongs to a response with status 401 (RFC 9110 §11.6.1). */
  readonly challenge?: string
  /** The name of a caller that was authenticated but for which no valid principal exists. */
  readonly principal?: string
}

/** An allowed request. Each rule has one frozen value, so that allowing a request allocates nothing. */
export interface Allowed {
  readonly effect: 'allow'
  /** The index of the rule that decided. Absent if only a route's own requirement decided. */
  readonly rule?: number
  /** True if the rules allow the request only provisionally, because the rule leaves it to its route. */
  readonly isLeftToRoute: boolean
}

/** The decision on a request. */
export type Decision = Allowed | Denial

/** The decision on a request that meets its route's own requirement. */
export const allowedByRoute: Allowed = Object.freeze({ effect: 'allow', isLeftToRoute: false })

/**
 * Creates a denial with a new id and the status and code that belong to its reason. With a `challenge`, the status is
 * 401: the caller would have to authenticate first.
 */
export function createDenial(
  reason: DenialReason,
  detail: string,
  about: Pick<Denial, 'rule' | 'policy' | 'missing' | 'principal' | 'challenge'> = {},
): Denial {
  return Object.freeze({
    effect: 'deny',
    ...(about.challenge === undefined ? answers[reason] : authenticationRequired),
    reason,
    detail,
    id: globalThis.crypto.randomUUID(),
    ...about,
  })
}

/** The status and code for a reason (RFC 9110 §15.5, §15.6.4). */
type StatusAndCode = Pick<Denial, 'status' | 'code'>
type Answer = Pick<Denial, 'status' | 'code' | 'challenge'>

const accessDenied: StatusAndCode = { status: 403, code: 'access_denied' }
const ambiguousRequest: StatusAndCode = { status: 400, code: 'ambiguous_request' }
const identityInvalid: StatusAndCode = { status: 403, code: 'identity_invalid' }
const authenticationRequired: StatusAndCode = { status: 401, code: 'authentication_required' }
/** RFC 6750 §3.1. */
const invalidToken: Answer = { ...authenticationRequired, challenge: 'Bearer error="invalid_token"' }
const unavailable: StatusAndCode = { status: 503, code: 'authorization_unavailable' }

const answers: Readonly<Record<DenialReason, Answer>> = {
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
  credential_not_accepted: accessDenied,
  not_anonymous: accessDenied,
  deny_all: accessDenied,
  custom_refused: accessDenied,
  no_route_requirement: accessDenied,
  no_rule: accessDenied,
  policy_denied: accessDenied,
  no_policy: accessDenied,
  ambiguous_path: accessDenied,
  request_rewritten: accessDenied,
  identity_invalid: identityInvalid,
  identity_expired: identityInvalid,
  forwarded_invalid: identityInvalid,
  forwarding_not_allowed: identityInvalid,
  token_invalid: invalidToken,
  token_unbound: invalidToken,
  evaluation_error: unavailable,
  source_unavailable: unavailable,
  guard_missing: unavailable,
  authorizer_denied: accessDenied,
  authorizer_undefined: accessDenied,
  authorizer_unavailable: unavailable,
}
