import type { CredentialKind } from '../principal.ts'

/**
 * A policy, as plain data. A DENY policy denies what it matches. If there are ALLOW policies, one of them has to match.
 * The order of policies does not matter.
 *
 * A field matches if one of its values does. An entry matches if all its fields do. `from` and `to` match if one of
 * their entries does; every entry of `when` has to match. An absent field matches everything. So does an entry `{}`,
 * within the limits of `from` for callers with a weak credential or none.
 *
 * If a value of a request is not known, a DENY policy that reads it matches, and an ALLOW policy does not.
 */
export interface Policy {
  /** Unique within its set. Reported with each decision that the policy makes. */
  readonly name: string
  readonly action: 'ALLOW' | 'DENY'
  /** The callers. Default: every caller. */
  readonly from?: readonly PolicyFrom[]
  /** The operations. Default: every operation. */
  readonly to?: readonly PolicyTo[]
  /** Conditions on headers. Default: none. */
  readonly when?: readonly PolicyHeader[]
  /**
   * Matches only callers whose certificate has at most this lifetime, from notBefore to notAfter: milliseconds, or text
   * such as `'1h'`. A token, or a name without a certificate, never matches. Only for ALLOW.
   */
  readonly maxLifetime?: number | string
  /**
   * Marks a policy for emergencies: an ordinary ALLOW policy whose use is reported. Requires `maxLifetime`. It
   * overrides nothing: DENY policies and rules still apply.
   */
  readonly breakGlass?: true
  /**
   * Until this time (ISO 8601 with a time zone, at most 366 days ahead), the policy is evaluated and reported but not
   * enforced. Afterwards it is enforced without a restart.
   */
  readonly audit?: { readonly until: string }
  /** Where the policy was written, such as `billing.yaml:12:5`. For messages only. */
  readonly declaredAt?: string
}

/**
 * A group of callers. An anonymous caller matches an entry of an ALLOW policy only if the entry has `anonymous: true`,
 * and weaker credentials (`'asserted'`, `'jwt-svid'`) only if `credentials` names them. In a DENY policy, an anonymous
 * caller matches every negative field and no positive one, and every credential counts.
 */
export interface PolicyFrom {
  /** SPIFFE ID patterns, as for `callers()`. */
  readonly callers?: readonly string[]
  readonly notCallers?: readonly string[]
  /** `namespace/service-account` of the local trust domain. */
  readonly serviceAccounts?: readonly string[]
  readonly notServiceAccounts?: readonly string[]
  /** Namespaces of the local trust domain. */
  readonly namespaces?: readonly string[]
  readonly notNamespaces?: readonly string[]
  readonly trustDomains?: readonly string[]
  readonly notTrustDomains?: readonly string[]
  /** The caller has at least one of these authorities; with `notAuthorities`, none of them. */
  readonly authorities?: readonly string[]
  readonly notAuthorities?: readonly string[]
  readonly credentials?: readonly CredentialKind[]
  readonly notCredentials?: readonly CredentialKind[]
  /** Matches callers without a credential, in permissive mode. Only together with the fields for addresses. */
  readonly anonymous?: true
  /**
   * The address of the connection's peer: an address, or a block such as `10.0.0.0/8`. An IPv4 address and its
   * IPv4-mapped IPv6 address are equal.
   */
  readonly ipBlocks?: readonly string[]
  readonly notIpBlocks?: readonly string[]
  /** The address that a listed proxy appended to `X-Forwarded-For`; without a proxy, that of the connection's peer. */
  readonly remoteIpBlocks?: readonly string[]
  readonly notRemoteIpBlocks?: readonly string[]
}

/** A group of operations. */
export interface PolicyTo {
  /** In upper case; GET includes HEAD. */
  readonly methods?: readonly string[]
  readonly notMethods?: readonly string[]
  /**
   * Path patterns, as in rules: `*` is one segment, `**` at the end is everything below. In `paths` of a DENY policy
   * and `notPaths` of an ALLOW policy, `*` also matches an empty last segment, because some routers accept an empty
   * parameter. There, an encoded slash is also compared decoded.
   */
  readonly paths?: readonly string[]
  readonly notPaths?: readonly string[]
  /** Host names without a port, ignoring case: `api.example`, or `*.api.example` for every name below it. */
  readonly hosts?: readonly string[]
  readonly notHosts?: readonly string[]
  /** The port on which this service received the connection. */
  readonly ports?: readonly number[]
  readonly notPorts?: readonly number[]
}

/**
 * A condition on one request header. `values` are compared byte for byte; a value may begin or end with `*`, and `*`
 * alone matches any value. A missing header never matches `values`, and always matches `notValues`.
 *
 * If a header has several values, a DENY policy matches if any line or any element of a comma-separated line does. An
 * ALLOW policy requires exactly one line, which is compared as a whole; none of its elements may be in `notValues`.
 * With more than 256 lines and elements, nothing is compared: a DENY policy matches, and an ALLOW policy does not.
 */
export interface PolicyHeader {
  /** The name, ignoring case. Headers that identify a caller or carry a credential are rejected. */
  readonly header: string
  readonly values?: readonly string[]
  readonly notValues?: readonly string[]
}
