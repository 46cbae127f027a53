import { type Account, type CredentialKind, readAccount } from '@countersign/authorization'
import { type Certificate, ConfigurationError, type SpiffeId, type SubjectIdentity } from '@countersign/spiffe'
import { describeValue, ignoreRejection } from '@countersign/spiffe/options'
import type { X509Subject } from '@countersign/spiffe/internal'
import { mintPrincipal, type Principal } from './principal.ts'

/** The verified caller that is passed to the application's `authorities` function. */
export interface VerifiedPeer {
  readonly spiffeId: SpiffeId
  readonly trustDomain: string
  readonly namespace?: string
  readonly serviceAccount?: string
  /** What proved the caller. */
  readonly credential: CredentialKind
  /** The proxy that forwarded the caller's identity or token, if one did. */
  readonly proxy?: Principal
  /** Lower-case hex. Absent if a token or only a name proved the caller. */
  readonly serialNumber?: string
  /** Epoch milliseconds. */
  readonly expiresAt: number
}

/** How authorities are derived from a SPIFFE ID. */
export interface PrincipalPolicy {
  /** Only workloads of this trust domain get derived authorities, because a partner's core-api is not ours. */
  readonly localTrustDomain: string | undefined
  /** The local namespaces whose service accounts get `SERVICE_<service account>`. */
  readonly namespaces: ReadonlySet<string>
  readonly authorities?: ((peer: VerifiedPeer) => readonly string[]) | undefined
}

/** What proved the caller of a request by its SPIFFE ID. */
export interface ProvenWorkload {
  readonly spiffeId: SpiffeId
  /** Default: `'x509-svid'`, as for the SVID of the connection's peer. */
  readonly credential?: CredentialKind
  readonly proxy?: Principal | undefined
  /** The verified certificate. Absent if there is none: a token, or a name that a proxy forwarded. */
  readonly leaf?: Certificate | undefined
  readonly expiresAt: number
}

/**
 * Creates the principal of a proven workload, with its namespace, service account and authorities.
 *
 * @throws {ConfigurationError} `option_invalid` if the application's `authorities` returns anything but a list of
 * strings. Errors that it throws are passed on. Both deny the request.
 */
export function createPrincipal(proven: ProvenWorkload, policy: PrincipalPolicy): Principal {
  const { spiffeId, credential = 'x509-svid', proxy, leaf, expiresAt } = proven
  const { trustDomain } = spiffeId
  const account = readAccount(spiffeId)
  const peer: VerifiedPeer = Object.freeze({
    spiffeId,
    trustDomain,
    ...account,
    credential,
    ...(proxy !== undefined && { proxy }),
    ...(leaf !== undefined && { serialNumber: leaf.serialNumber }),
    expiresAt,
  })
  const derived = trustDomain === policy.localTrustDomain ? deriveAuthorities(account, policy.namespaces) : []
  const added = policy.authorities === undefined ? [] : checkAuthorities(policy.authorities(peer))
  return mintPrincipal({
    name: spiffeId.toString(),
    spiffeId,
    ...account,
    authorities: [...derived, ...added],
    credential,
    proxy,
    thumbprint: leaf && thumbprintOf(leaf),
    lifetime: leaf && lifetimeOf(leaf),
    expiresAt,
  })
}

/**
 * Creates the principal of a verified certificate from a CA without SPIFFE: its name, and the authorities listed for
 * that name.
 */
export function createSubjectPrincipal({ name, leaf, expiresAt }: X509Subject, identity: SubjectIdentity): Principal {
  const authorities = identity.find(name) ?? []
  return mintPrincipal({
    name,
    authorities,
    credential: 'x509-subject',
    thumbprint: thumbprintOf(leaf),
    lifetime: lifetimeOf(leaf),
    expiresAt,
  })
}

/** Creates the principal for an unproved name. Use it for explanations only; it must never reach a request. */
export function createHypotheticalSubject(name: string, authorities: readonly string[]): Principal {
  return mintPrincipal({ name, authorities, credential: 'x509-subject', expiresAt: Number.MAX_SAFE_INTEGER })
}

/** Creates the principal for an unproved SPIFFE ID. Use it for explanations only; it must never reach a request. */
export function createHypotheticalPrincipal(
  spiffeId: SpiffeId,
  policy: PrincipalPolicy,
  credential: CredentialKind = 'x509-svid',
): Principal {
  return createPrincipal({ spiffeId, credential, expiresAt: Number.MAX_SAFE_INTEGER }, policy)
}

// RFC 8705 §3.1: the digest of the DER, as base64url without padding.
function thumbprintOf({ sha256 }: Certificate): string {
  return Buffer.from(sha256, 'hex').toString('base64url')
}

function lifetimeOf({ notBefore, notAfter }: Certificate): number {
  return notAfter - notBefore
}

/** Returns the authorities derived from an account of the local trust domain. */
export function deriveAuthorities(
  { namespace, serviceAccount }: Account,
  namespaces: ReadonlySet<string>,
): readonly string[] {
  if (namespace === undefined || serviceAccount === undefined) return []
  const always = [`NAMESPACE_${namespace}`, `SERVICE_${namespace}/${serviceAccount}`]
  // Staging's core-api is not production's, so only the configured namespaces get the short name.
  return namespaces.has(namespace) ? [...always, `SERVICE_${serviceAccount}`] : always
}

function checkAuthorities(given: unknown): readonly string[] {
  ignoreRejection(given)
  if (Array.isArray(given) && given.every((entry): entry is string => typeof entry === 'string' && entry !== '')) {
    return given
  }
  throw new ConfigurationError(
    'option_invalid',
    `authorities: the function returned ${describeValue(given)}, expected a list of non-empty strings`,
  )
}
