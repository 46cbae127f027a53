import type { Certificate } from './certificate.ts'
import { describeCertificate } from './describe.ts'
import { anyPolicy, type CertificatePolicies, decodePolicies, decodePolicyMappings } from './policies.ts'

/**
 * Processes the certificate policies of a path, leaf first and authority last (RFC 5280 §6.1). Returns a description of
 * the violation, or undefined if there is none.
 *
 * Uses the initial settings of RFC 5280 for a verifier that requires no particular policy: any policy, no explicit
 * policy required, mappings and anyPolicy allowed. The path is then invalid only if one of its certificates requires an
 * explicit policy and none is valid for the whole path.
 *
 * Ignores the policies of the authority at the end, because it is not part of the path (§6.1; OpenSSL does the same).
 *
 * Keeps only the lowest level of the tree of §6.1.2, as a set. If any policy is accepted, the other levels do not
 * matter, and the tree can grow exponentially with the length of the path (CVE-2023-0464).
 */
export function findPolicyViolation(path: readonly Certificate[]): string | undefined {
  const certificates = path.slice(0, -1).toReversed()
  // The usual case. Without such a certificate the counter of §6.1.2 d never reaches zero.
  if (certificates.every(({ policies }) => policies?.requireExplicitPolicy === undefined)) return undefined
  const unlimited = certificates.length + 1
  const state: PolicyState = {
    level: new Map([[anyPolicy, new Set([anyPolicy])]]),
    explicitPolicy: unlimited,
    policyMapping: unlimited,
    inhibitAnyPolicy: unlimited,
  }
  let lost: Certificate | undefined
  for (const [index, certificate] of certificates.entries()) {
    const isLeaf = index === certificates.length - 1
    const { policies = {}, selfIssued } = certificate
    // §6.1.3 d, e
    state.level = descend(state, policies, selfIssued && !isLeaf)
    if (state.level.size === 0) lost ??= certificate
    if (isLeaf) wrapUp(state, policies)
    else prepareNext(state, policies, selfIssued)
  }
  // §6.1.3 f and §6.1.5 g: a requirement is never removed and a lost policy never returns, so one check at the end is
  // enough.
  return lost === undefined || state.explicitPolicy > 0 ? undefined : describe(lost)
}

interface PolicyState {
  /** The policies that are valid so far, each with the names that the next certificate may use for it. */
  level: ReadonlyMap<string, ReadonlySet<string>>
  explicitPolicy: number
  policyMapping: number
  inhibitAnyPolicy: number
}

function descend(
  { level, inhibitAnyPolicy }: PolicyState,
  { policies }: CertificatePolicies,
  isSelfIssuedIntermediate: boolean,
): PolicyState['level'] {
  const next = new Map<string, ReadonlySet<string>>()
  if (policies === undefined || level.size === 0) return next
  const named = decodePolicies(policies)
  const expected = new Set([...level.values()].flatMap((names) => [...names]))
  for (const policy of named) {
    // §6.1.3 d 1
    if (policy !== anyPolicy && (expected.has(policy) || level.has(anyPolicy))) next.set(policy, new Set([policy]))
  }
  if (named.has(anyPolicy) && (inhibitAnyPolicy > 0 || isSelfIssuedIntermediate)) {
    // §6.1.3 d 2
    for (const policy of expected) if (!next.has(policy)) next.set(policy, new Set([policy]))
  }
  return next
}

/** Prepares for the next certificate (§6.1.4 b, h, i, j). */
function prepareNext(state: PolicyState, policies: CertificatePolicies, selfIssued: boolean): void {
  if (policies.mappings !== undefined) state.level = map(state, policies.mappings)
  if (!selfIssued) {
    state.explicitPolicy = decrement(state.explicitPolicy)
    state.policyMapping = decrement(state.policyMapping)
    state.inhibitAnyPolicy = decrement(state.inhibitAnyPolicy)
  }
  state.explicitPolicy = Math.min(state.explicitPolicy, policies.requireExplicitPolicy ?? Infinity)
  state.policyMapping = Math.min(state.policyMapping, policies.inhibitPolicyMapping ?? Infinity)
  state.inhibitAnyPolicy = Math.min(state.inhibitAnyPolicy, policies.inhibitAnyPolicy ?? Infinity)
}

function map({ level, policyMapping }: PolicyState, mappings: Buffer): PolicyState['level'] {
  const mapped = new Map(level)
  for (const [from, to] of decodePolicyMappings(mappings)) {
    if (policyMapping === 0) mapped.delete(from)
    else if (level.has(from) || level.has(anyPolicy)) mapped.set(from, to)
  }
  return mapped
}

/** Processes the counter for the leaf (§6.1.5 a, b). */
function wrapUp(state: PolicyState, { requireExplicitPolicy }: CertificatePolicies): void {
  state.explicitPolicy = requireExplicitPolicy === 0 ? 0 : decrement(state.explicitPolicy)
}

function decrement(count: number): number {
  return count > 0 ? count - 1 : 0
}

function describe(certificate: Certificate): string {
  return `a certificate in the path requires an explicit policy, but none is valid for ${describeCertificate(certificate)}`
}
