import type { DecisionRequest } from '../../packages/authorization/src/decide.ts'
import { exactSemantics } from '../../packages/authorization/src/path-semantics.ts'
import { compilePolicies, type PolicyContext } from '../../packages/authorization/src/policy/compile-policies.ts'
import { decidePolicies } from '../../packages/authorization/src/policy/decide-policies.ts'
import type { Policy } from '../../packages/authorization/src/policy/policy.ts'
import type { PolicyFacts } from '../../packages/authorization/src/policy/policy-facts.ts'
import { mintPrincipal, type Principal, type PrincipalFacts } from '../../packages/core/src/principal/principal.ts'
import { SpiffeId } from '../../packages/spiffe/src/spiffe-id/spiffe-id.ts'
import { targetOf } from '../decision/target-of.ts'

/** What a test states of a request. The rest has a usual value. */
export interface Asked extends Partial<Omit<DecisionRequest, 'target' | 'message' | 'facts'>> {
  readonly path?: string
  readonly facts?: PolicyFacts | undefined
}

/** The request `GET /` of an anonymous caller, or another one. Its facts are known unless they are undefined. */
export function requestOf({ path = '/', ...asked }: Asked = {}): DecisionRequest {
  return {
    principal: null,
    method: 'GET',
    semantics: exactSemantics,
    facts: factsOf({}),
    ...asked,
    target: targetOf(path),
    message: { headers: {} },
  }
}

/** Facts with these headers, a line for each entry. */
export function factsOf({
  headers = [],
  ...facts
}: Partial<Omit<PolicyFacts, 'headerLines'>> & {
  readonly headers?: readonly (readonly [name: string, line: string])[]
}): PolicyFacts {
  return {
    host: 'api.example',
    port: 8443,
    socketAddress: '10.0.0.1',
    remoteAddress: '10.0.0.1',
    ...facts,
    headerLines: (name) => headers.flatMap(([each, line]) => (each === name ? [line] : [])),
  }
}

export function workload(spiffeId: string, facts: Partial<PrincipalFacts> = {}): Principal {
  const parsed = SpiffeId.parse(spiffeId)
  const [ns, namespace, sa, serviceAccount] = parsed.segments
  return mintPrincipal({
    name: spiffeId,
    spiffeId: parsed,
    ...(parsed.segments.length === 4 && ns === 'ns' && sa === 'sa' && namespace !== undefined && { namespace }),
    ...(parsed.segments.length === 4 &&
      ns === 'ns' &&
      sa === 'sa' &&
      serviceAccount !== undefined && { serviceAccount }),
    authorities: [],
    credential: 'x509-svid',
    expiresAt: 0,
    ...facts,
  })
}

export const local: PolicyContext = { localTrustDomain: 'saas.example', isAllowRequired: false }

/** Returns how a set of policies decides: `pass`, the reason of the denial, or the policy for emergencies in use. */
export function decideBy(policies: readonly Policy[], asked: Asked = {}, context: PolicyContext = local): string {
  const verdict = decidePolicies(compilePolicies(policies, context), requestOf(asked))
  if (verdict === undefined) return 'pass'
  return 'effect' in verdict ? verdict.reason : verdict.name
}

/** Returns whether a policy matches a request, by its effect. */
export function isMatch(policy: Omit<Policy, 'name'>, asked: Asked = {}, context: PolicyContext = local): boolean {
  const outcome = decideBy([{ name: 'one', ...policy }], asked, context)
  return policy.action === 'DENY' ? outcome === 'policy_denied' : outcome === 'pass'
}
