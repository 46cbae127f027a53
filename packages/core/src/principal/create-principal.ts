import { type Account, readAccount } from '@countersign/authorization'
import { ConfigurationError, type SpiffeId, type SubjectIdentity, type X509Svid } from '@countersign/spiffe'
import { describeValue, ignoreRejection } from '@countersign/spiffe/options'
import type { X509Subject } from '@countersign/spiffe/internal'
import { mintPrincipal, type Principal } from './principal.ts'

/** The verified peer that is passed to the application's `authorities` function. */
export interface VerifiedPeer {
  readonly spiffeId: SpiffeId
  readonly trustDomain: string
  readonly namespace?: string
  readonly serviceAccount?: string
  /** Lower-case hex. */
  readonly serialNumber: string
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

/**
 * Creates the principal of a verified SVID, with its namespace, service account and authorities.
 *
 * @throws {ConfigurationError} `option_invalid` if the application's `authorities` returns anything but a list of
 * strings. Errors that it throws are passed on. Both deny the request.
 */
export function createPrincipal(svid: X509Svid, policy: PrincipalPolicy): Principal {
  const { spiffeId, leaf, expiresAt } = svid
  return mintFor({ spiffeId, serialNumber: leaf.serialNumber, expiresAt }, policy)
}

/**
 * Creates the principal of a verified certificate from a CA without SPIFFE: its name, and the authorities listed for
 * that name.
 */
export function createSubjectPrincipal({ name, expiresAt }: X509Subject, identity: SubjectIdentity): Principal {
  return mintNamed(name, identity.find(name) ?? [], expiresAt)
}

/** Creates the principal for an unproved name. Use it for explanations only; it must never reach a request. */
export function createHypotheticalSubject(name: string, authorities: readonly string[]): Principal {
  return mintNamed(name, authorities, Number.MAX_SAFE_INTEGER)
}

/** Creates the principal for an unproved SPIFFE ID. Use it for explanations only; it must never reach a request. */
export function createHypotheticalPrincipal(spiffeId: SpiffeId, policy: PrincipalPolicy): Principal {
  return mintFor({ spiffeId, serialNumber: '00', expiresAt: Number.MAX_SAFE_INTEGER }, policy)
}

function mintNamed(name: string, authorities: readonly string[], expiresAt: number): Principal {
  return mintPrincipal({ name, authorities, credential: 'x509-subject', expiresAt })
}

function mintFor(
  proved: { readonly spiffeId: SpiffeId; readonly serialNumber: string; readonly expiresAt: number },
  policy: PrincipalPolicy,
): Principal {
  const { spiffeId, expiresAt } = proved
  const { trustDomain } = spiffeId
  const account = readAccount(spiffeId)
  const peer: VerifiedPeer = Object.freeze({ ...proved, trustDomain, ...account })
  const derived = trustDomain === policy.localTrustDomain ? deriveAuthorities(account, policy.namespaces) : []
  const added = policy.authorities === undefined ? [] : checkAuthorities(policy.authorities(peer))
  const name = spiffeId.toString()
  const authorities = [...derived, ...added]
  return mintPrincipal({ name, spiffeId, ...account, authorities, credential: 'x509-svid', expiresAt })
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
