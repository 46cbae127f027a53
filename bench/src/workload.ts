import {
  allOf,
  authenticated,
  hasAnyAuthority,
  hasAuthority,
  inNamespace,
  type MaterialInput,
  type Policy,
  type PolicyFrom,
  type Rule,
} from '@countersign/core'
import { type TestSvid, createAuthority } from '@countersign/testkit'

/** The caller and the path of every measurement. */
export const callerId = 'spiffe://saas.example/ns/production/sa/core-api'
export const path = '/internal/billing/invoices'

/** The rules of a service of typical size. */
export const rules: readonly Rule[] = [
  { path: '/internal/billing/**', allow: hasAuthority('SERVICE_core-api') },
  { path: '/internal/analytics/**', allow: hasAnyAuthority('SERVICE_core-api', 'SERVICE_analytics') },
  { path: '/internal/**', allow: authenticated() },
]

/** The certificates of both ends of a connection. */
export interface Identities {
  readonly server: MaterialInput
  readonly caller: TestSvid
}

/** Issues one SVID for the server and one for the caller, through an intermediate authority, as is common. */
export async function issueIdentities(): Promise<Identities> {
  const root = await createAuthority('saas.example')
  const authority = await root.intermediate()
  const { keyPem, certificatePem } = await authority.issue('spiffe://saas.example/ns/production/sa/billing', lifetime)
  return {
    server: { key: keyPem, cert: certificatePem, bundles: { 'saas.example': root.bundlePem } },
    caller: await authority.issue(callerId, lifetime),
  }
}

// Longer than any measurement, because near its expiry every response would announce it.
const lifetime = { ttlSeconds: 6 * 3600 }

/** A list of rules of the given length, with literals, wildcards and methods, and the paths that they decide. */
export interface RuleTable {
  readonly rules: readonly Rule[]
  /** One path per rule, in an order that does not benefit from processor caches. */
  readonly paths: readonly string[]
}

/** Creates `count` rules, of which the last matches all remaining paths. `path` is decided by the one in the middle. */
export function writeRules(count: number): RuleTable {
  const middle = Math.floor(count / 2)
  const entries = Array.from({ length: count - 1 }, (_, index) =>
    index === middle ? { path, rule: { path, allow: hasAuthority('SERVICE_core-api') } } : writeRule(index),
  )
  const paths = entries.map((entry) => entry.path)
  return {
    rules: [...entries.map(({ rule }) => rule), { path: '/internal/**', allow: authenticated() }],
    paths: paths.map((_, index) => paths[(index * stride) % paths.length] ?? path),
  }
}

// A prime that divides no length used here, so every path occurs once before the first one repeats.
const stride = 7919

function writeRule(index: number): { readonly path: string; readonly rule: Rule } {
  const service = `service-${Math.floor(index / 5)}`
  switch (index % 5) {
    case 0:
      return {
        path: `/internal/${service}/orders/4711`,
        rule: {
          path: `/internal/${service}/orders/*`,
          methods: ['GET', 'POST'],
          allow: hasAuthority('SERVICE_core-api'),
        },
      }
    case 1:
      return {
        path: `/internal/${service}/tenants/17/invoices`,
        rule: { path: `/internal/${service}/tenants/*/invoices`, allow: inNamespace('production') },
      }
    case 2:
      return {
        path: `/internal/tenant-17/${service}/export`,
        rule: {
          path: `/internal/*/${service}/export`,
          allow: hasAnyAuthority('SERVICE_analytics', 'SERVICE_core-api'),
        },
      }
    case 3:
      return {
        path: `/internal/${service}/health`,
        rule: { path: `/internal/${service}/health`, methods: ['GET'], allow: [callerId, `${callerId}/**`] },
      }
    default:
      return {
        path: `/internal/${service}/reports/2026/11`,
        rule: {
          path: `/internal/${service}/**`,
          allow: allOf(authenticated(), hasAuthority('SERVICE_production/core-api')),
        },
      }
  }
}

/** Policies of the given number, and the paths that one of them allows. */
export interface PolicyTable {
  readonly policies: readonly Policy[]
  /** One path per ALLOW policy, in an order that does not benefit from processor caches. */
  readonly paths: readonly string[]
}

/**
 * Creates `count` policies: nine of ten are ALLOW policies for the paths of `writeRules`, by all kinds of callers; the
 * others are DENY policies for one path, each for another pattern of callers.
 */
export function writePolicies(count: number): PolicyTable {
  const { rules: written, paths } = writeRules(count)
  const table = written.slice(0, -1)
  const policies = table.map(({ path: pattern, methods = [] }, index): Policy => {
    const name = `policy-${index}`
    if (isDeny(index)) {
      const from = [{ callers: [`spiffe://saas.example/ns/team-${index}/**`] }]
      return { name, action: 'DENY', from, to: [{ paths: ['/internal/**'] }] }
    }
    const from = [froms[index % froms.length] ?? {}]
    return { name, action: 'ALLOW', from, to: [{ paths: [pattern], ...(methods.length > 0 && { methods }) }] }
  })
  return { policies, paths: paths.filter((_, index) => !isDeny((index * stride) % table.length)) }
}

function isDeny(index: number): boolean {
  return index % 10 === 9
}

const froms: readonly PolicyFrom[] = [
  { callers: [callerId] },
  { authorities: ['SERVICE_production/core-api'] },
  { namespaces: ['production'] },
  { callers: ['spiffe://saas.example/ns/*/sa/core-api'] },
  { serviceAccounts: ['production/core-api'] },
]
