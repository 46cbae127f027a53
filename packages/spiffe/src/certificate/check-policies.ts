import type { Certificate } from './certificate.ts'
import { describeCertificate } from './describe.ts'
import { anyPolicy, type CertificatePolicies, decodePolicies, decodePolicyMappings } from './policies.ts'

/**
 * Processes the certificate policies of a path, leaf first and authority last (RFC 5280 §6.1), with the initial settings
 * that RFC 5280 gives a verifier who asks for no particular policy: any policy, no explicit policy required, mappings and
 * anyPolicy allowed. Then the path fails only where one of its certificates requires an explicit policy and none is valid
 * for the whole path. Says in words what failed, or returns undefined.
 *
 * What the authority at the end says about policies is not looked at: it is no part of the path (§6.1, and so OpenSSL).
 *
 * Instead of the tree of §6.1.2 only its lowest level is kept, as a set: with any policy asked for, the rest decides
 * nothing, and the tree can grow with the power of the path's length (CVE-2023-0464).
 */
export function findPolicyViolation(path: readonly Certificate[]): string | undefined {
  const certificates = path.slice(0, -1).toReversed()
  // The usual case. Without such a certificate the counter of §6.1.2 d never gets to zero.
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
  // §6.1.3 f and §6.1.5 g: what is required stays required and what is lost stays lost, so one look at the end is enough.
  return lost === undefined || state.explicitPolicy > 0 ? undefined : describe(lost)
}

interface PolicyState {
  /** The policies that are valid down to here, each with the names that the next certificate may give it. */
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

/** §6.1.4 b, h, i, j. */
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

/** §6.1.5 a, b. */
function wrapUp(state: PolicyState, { requireExplicitPolicy }: CertificatePolicies): void {
  state.explicitPolicy = requireExplicitPolicy === 0 ? 0 : decrement(state.explicitPolicy)
}

function decrement(count: number): number {
  return count > 0 ? count - 1 : 0
}

function describe(certificate: Certificate): string {
  return `a certificate of the path requires an explicit policy, and none is valid down to ${describeCertificate(certificate)}`
}
