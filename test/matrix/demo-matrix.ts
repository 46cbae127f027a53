import {
  type AccessMatrix,
  assumePrincipal,
  authenticated,
  compileRules,
  createAccessMatrix,
  custom,
  allOf,
  hasAnyAuthority,
  hasAuthority,
  inNamespace,
} from '@countersign/authorization'
import { createPossibleWorkloads } from '../../packages/core/src/principal/possible-callers.ts'

/** The name of a caller that is markup. Only a CA without SPIFFE could issue it. */
export const hostile = '</td></table><img src=x onerror="isTaken=1"><b>&amp;\''

/** A matrix like that of the demo, with a log, and with more callers. */
export function createDemoMatrix(more: readonly string[] = []): AccessMatrix {
  const trustDomains = ['saas.example', 'partner.example']
  const callers = createPossibleWorkloads(trustDomains, {
    localTrustDomain: 'saas.example',
    namespaces: new Set(['production']),
  })
  const rules = compileRules(
    [
      {
        path: '/internal/billing/export',
        methods: ['POST'],
        allow: allOf(
          inNamespace('production'),
          custom('office hours', () => true),
        ),
      },
      { path: '/internal/billing/**', allow: hasAuthority('SERVICE_core-api') },
      { path: '/internal/analytics/**', allow: hasAnyAuthority('SERVICE_core-api', 'SERVICE_analytics-service') },
      { path: '/internal/reports/*', methods: ['GET'], allow: inNamespace('production') },
      { path: '/internal/**', allow: authenticated() },
    ],
    { localTrustDomain: 'saas.example', callers },
  )
  const production = 'spiffe://saas.example/ns/production/sa'
  const seen = [
    ['core-api', 'GET', '/internal/billing/invoices'],
    ['core-api', 'GET', '/internal/health'],
    ['analytics-service', 'GET', '/internal/analytics/reports'],
    ['notification-service', 'GET', '/internal/health'],
  ] as const
  return createAccessMatrix({
    layers: { rules, policies: undefined },
    callers,
    principalOf: (caller) => {
      if (!trustDomains.some((name) => caller.startsWith(`spiffe://${name}/`))) return undefined
      const { trustDomain, namespace, serviceAccount } = assumePrincipal(caller)
      const isOurs = trustDomain === 'saas.example' && namespace === 'production'
      return assumePrincipal(caller, isOurs ? [`SERVICE_${serviceAccount}`, `NAMESPACE_${namespace}`] : [])
    },
    rows: [
      ...more,
      'spiffe://saas.example/ns/staging/sa/core-api',
      'spiffe://partner.example/ns/production/sa/core-api',
    ],
    log: seen.map(([account, method, path]) => ({ caller: `${production}/${account}`, method, path, effect: 'allow' })),
    revision: 'sha256:3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855e',
  })
}
