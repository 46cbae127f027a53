import { compilePolicies } from '../policy/compile-policies.ts'
import type { Policy, PolicyFrom, PolicyTo } from '../policy/policy.ts'
import type { CompiledPolicySet } from '../policy/policy-set.ts'

/**
 * Returns the policies for the best case of the caller. ALLOW policies lose their conditions on headers, addresses,
 * hosts, ports and lifetimes, and DENY policies with such conditions are left out.
 */
export function supposeFacts(set: CompiledPolicySet, localTrustDomain: string | undefined): CompiledPolicySet {
  const sources = set.policies.map(({ source }) => source)
  if (!sources.some((source) => listFacts(source).length > 0)) return set
  const supposed = sources.flatMap((source) =>
    source.action === 'ALLOW' ? leaveOutFacts(source) : keepWithoutFacts(source),
  )
  return compilePolicies(supposed, { localTrustDomain, isAllowRequired: set.isAllowRequired })
}

/** Returns the fields of a policy whose values are only known for a request. */
export function listFacts({ from = [], to = [], when = [], maxLifetime }: Policy): readonly string[] {
  const found = [
    ...from.flatMap((entry) => factsOfFrom.filter((field) => entry[field] !== undefined)),
    ...to.flatMap((entry) => factsOfTo.filter((field) => entry[field] !== undefined)),
    ...when.map(({ header }) => `header ${header}`),
    ...(maxLifetime === undefined ? [] : ['maxLifetime']),
  ]
  return [...new Set(found)]
}

const factsOfFrom = ['ipBlocks', 'notIpBlocks', 'remoteIpBlocks', 'notRemoteIpBlocks'] as const
const factsOfTo = ['hosts', 'notHosts', 'ports', 'notPorts'] as const

function leaveOutFacts({ name, action, from, to, declaredAt }: Policy): Policy {
  return {
    name,
    action,
    ...(from !== undefined && { from: from.map((entry) => omit(entry, factsOfFrom)) }),
    ...(to !== undefined && { to: to.map((entry) => omit(entry, factsOfTo)) }),
    ...(declaredAt !== undefined && { declaredAt }),
  }
}

// Entries are alternatives, so those without such conditions still deny.
function keepWithoutFacts({ name, action, from, to, when, declaredAt }: Policy): readonly Policy[] {
  if (when !== undefined) return []
  const callers = from?.filter((entry) => !factsOfFrom.some((field) => entry[field] !== undefined))
  const operations = to?.filter((entry) => !factsOfTo.some((field) => entry[field] !== undefined))
  if (callers?.length === 0 || operations?.length === 0) return []
  return [
    {
      name,
      action,
      ...(callers !== undefined && { from: callers }),
      ...(operations !== undefined && { to: operations }),
      ...(declaredAt !== undefined && { declaredAt }),
    },
  ]
}

function omit<Entry extends PolicyFrom | PolicyTo>(entry: Entry, fields: readonly string[]): Partial<Entry> {
  const kept: Partial<Entry> = { ...entry }
  for (const field of fields) Reflect.deleteProperty(kept, field)
  return kept
}
