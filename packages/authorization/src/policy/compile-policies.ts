import { runAtOnce, runInTurns, type Turns } from '../in-turns.ts'
import { exactSemantics, type PathSemantics } from '../path-semantics.ts'
import { refuseRule } from '../refuse-rule.ts'
import type { PossibleCallers } from '../possible-callers.ts'
import { type CallerKind, refuseImpossible, refuseImpossibleCredentials } from '../refuse-unmeetable.ts'
import { type CompiledPolicy, compilePolicy } from './compile-policy.ts'
import { createAddressReader } from './facts-tests.ts'
import { checkPolicyList, createPolicyParser } from './parse-policies.ts'
import type { Policy, PolicyFrom } from './policy.ts'
import { CompiledPolicySet } from './policy-set.ts'

/** The configuration that policies depend on. */
export interface PolicyContext {
  /**
   * The only trust domain in which namespaces and service accounts are meaningful. Undefined if callers have no SPIFFE
   * IDs.
   */
  readonly localTrustDomain: string | undefined
  /** The callers that can exist. A policy that names others is rejected. Default: not checked. */
  readonly callers?: PossibleCallers | undefined
  /** True if no rules were given, so that a request has to match an ALLOW policy even if the set has none. */
  readonly isAllowRequired: boolean
}

/**
 * Compiles policies, parsed or not, into a set.
 *
 * @throws {ConfigurationError} `option_unknown`, `option_invalid` or `rule_invalid`; the message begins with the place.
 * `rule_invalid` also if a policy names callers that cannot exist
 */
export function compilePolicies(policies: unknown, context: PolicyContext): CompiledPolicySet {
  return runAtOnce(compileInSteps(policies, context, []))
}

/**
 * Compiles policies like `compilePolicies`, but in turns, so that many policies do not delay requests. Also indexes
 * them for exact matching and for these semantics.
 *
 * @throws {ConfigurationError} as `compilePolicies` does
 */
export async function compilePoliciesInTurns(
  policies: unknown,
  context: PolicyContext,
  turns: Turns,
  semantics: readonly PathSemantics[] = [],
): Promise<CompiledPolicySet> {
  return runInTurns(compileInSteps(policies, context, [exactSemantics, ...semantics]), turns)
}

function* compileInSteps(
  policies: unknown,
  context: PolicyContext,
  semantics: readonly PathSemantics[],
): Generator<undefined, CompiledPolicySet> {
  const where = 'policies'
  const parse = createPolicyParser(where)
  const shared = { localTrustDomain: context.localTrustDomain, readAddress: createAddressReader() }
  const compiled: CompiledPolicy[] = []
  for (const [index, input] of checkPolicyList(policies, where).entries()) {
    const policy = parse(input, index)
    for (const [place, from] of (policy.from ?? []).entries()) {
      checkCallers(from, policy.action, `${where}[${index}].from[${place}]`, context)
    }
    compiled.push(compilePolicy(policy, index, shared))
    yield
  }
  const set = new CompiledPolicySet(Object.freeze(compiled), context.isAllowRequired)
  for (const each of semantics) yield* set.prepare(each)
  return set
}

function checkCallers(
  from: PolicyFrom,
  action: Policy['action'],
  where: string,
  { localTrustDomain, callers }: PolicyContext,
): void {
  const spiffe = localTrustDomain === undefined ? spiffeFields.find((field) => from[field] !== undefined) : undefined
  if (spiffe !== undefined) {
    refuseRule(
      where,
      spiffe,
      'fields that do not use SPIFFE IDs, such as authorities, because callers of a CA without SPIFFE have none',
    )
  }
  if (callers === undefined) return
  for (const kind of callerKinds) {
    for (const [index, value] of (from[kind] ?? []).entries()) {
      refuseImpossible(kind, value, callers, `${where}.${kind}[${index}]`)
    }
  }
  // A DENY policy may name credentials that only other deployments have.
  if (from.credentials !== undefined && action === 'ALLOW') {
    refuseImpossibleCredentials(from.credentials, callers, `${where}.credentials`)
  }
}

const callerKinds: readonly CallerKind[] = ['callers', 'serviceAccounts', 'namespaces', 'trustDomains', 'authorities']

const spiffeFields = [
  'callers',
  'notCallers',
  'serviceAccounts',
  'notServiceAccounts',
  'namespaces',
  'notNamespaces',
  'trustDomains',
  'notTrustDomains',
] as const
