import {
  allOf,
  assumePrincipal,
  compileRules,
  decide,
  decidePath,
  exactSemantics,
  explainDecision,
  hasAuthority,
  inNamespace,
  parsePath,
  permitAll,
} from '@countersign/authorization'
import { ConfigurationError, SpiffeId } from '@countersign/spiffe/id'

/*
 * A program for a page: it decides requests of plain data. Bundled, it runs where nothing of Node is.
 */

const rules = compileRules(
  [
    { path: '/invoices/**', allow: hasAuthority('SERVICE_core-api') },
    { path: '/partners/*/invoices', methods: ['GET'], allow: ['spiffe://partner.example/ns/*/sa/core-api'] },
    { path: '/reports', allow: allOf(inNamespace('production'), hasAuthority('REPORTS')) },
    { path: '/status', allow: permitAll() },
  ],
  { localTrustDomain: 'saas.example' },
)

const coreApi = assumePrincipal('spiffe://saas.example/ns/production/sa/core-api', ['SERVICE_core-api'])
const mailer = assumePrincipal('spiffe://saas.example/ns/staging/sa/mailer', ['REPORTS'])
const partner = assumePrincipal('spiffe://partner.example/ns/a/sa/core-api')

/** The decisions as text. */
export const decisions: readonly string[] = [
  describe(decidePath(rules, { method: 'GET', path: '/invoices/17', principal: coreApi })),
  describe(decidePath(rules, { method: 'GET', path: '/invoices/17', principal: mailer })),
  describe(decidePath(rules, { method: 'GET', path: '/invoices/17', principal: null })),
  describe(decidePath(rules, { method: 'GET', path: '/partners/7/invoices?from=2026', principal: partner })),
  describe(decidePath(rules, { method: 'GET', path: '/partners/7/invoices', principal: coreApi })),
  describe(decidePath(rules, { method: 'GET', path: '/reports', principal: mailer })),
  describe(decidePath(rules, { method: 'GET', path: '/status', principal: null })),
  describe(decidePath(rules, { method: 'GET', path: '/caf%C3%A9', principal: coreApi })),
  describe(decidePath(rules, { method: 'GET', path: '/invoices/../status', principal: coreApi })),
  describe(decideParsed('/invoices/17')),
  explainDecision({ rules, principal: mailer, method: 'GET', path: '/invoices/17', semantics: exactSemantics })
    .toString()
    .split('\n')[0]
    ?.trim() ?? '',
  refusalOf(() => compileRules([{ path: '/x', alow: permitAll() }], { localTrustDomain: 'saas.example' })),
  SpiffeId.parse('spiffe://saas.example/ns/production/sa/core-api').segments.join(' '),
]

function decideParsed(path: string): ReturnType<typeof decide> | undefined {
  const target = parsePath(path)
  if (!target.accepted) return undefined
  const message = { headers: {} }
  return decide(rules, { method: 'POST', target, principal: coreApi, semantics: exactSemantics, message })
}

function describe(decision: ReturnType<typeof decide> | undefined): string {
  if (decision?.effect !== 'deny') return String(decision?.effect)
  return `deny ${decision.status} ${decision.reason}`
}

function refusalOf(compile: () => unknown): string {
  try {
    compile()
    return 'accepted'
  } catch (error) {
    return error instanceof ConfigurationError ? error.code : String(error)
  }
}
