import * as core from '@countersign/core'
import * as policy from '@countersign/policy'
import * as opa from '@countersign/policy/opa'
import { optional, optionsOf, parameter, type Parameter } from './kinds.ts'
import { call, callMethod, coreApi, source } from './mistakes.ts'

/** The public surface of policies: in core, and of the package for documents. */
export function listPolicyParameters(): readonly Parameter[] {
  const open = (): object => core.createReplaceablePolicies({ policies: [] })
  const notice = { outcome: 'warning', at: 1, detail: 'x' }
  const own = { own: coreApi }
  const entry = { name: 'x', action: 'DENY' }
  return [
    parameter('createReplaceablePolicies', 'object instance', (value) => call(core.createReplaceablePolicies, value)),
    parameter('ReplaceablePolicies.replace', 'object instance', (value) => callMethod(open(), 'replace', value)),
    parameter('ReplaceablePolicies.notify', 'none', (value) => callMethod(open(), 'notify', value)),
    ...optionsOf('ReplaceablePolicies.notify', notice, (options) => callMethod(open(), 'notify', options), {
      outcome: 'none',
      at: 'number',
      detail: 'text',
    }),
    ...['onUpdate', 'onNotice'].map((name) =>
      parameter(`ReplaceablePolicies.${name}`, 'function express', (value) => callMethod(open(), name, value)),
    ),
    parameter('createGuard policies', optional, (value) =>
      call(core.createGuard, { source, policies: value, rules: [{ path: '/**', allow: core.authenticated() }] }),
    ),
    ...optionsOf(
      'createGuard policy',
      entry,
      (each) => call(core.createGuard, { source, policies: { policies: [each] } }),
      {
        name: 'text',
        action: 'none',
        from: 'undefined',
        to: 'undefined',
        when: 'undefined',
        audit: 'undefined',
        declaredAt: 'undefined text',
      },
    ),
    parameter('simulateGuard', 'none', (value) => call(core.simulateGuard, value)),
    ...optionsOf('simulateGuard', { ...own, policies: {} }, (options) => call(core.simulateGuard, options), {
      own: 'none',
      trustDomains: 'undefined',
      namespaces: 'undefined',
      authorities: 'undefined function express',
      rules: 'undefined',
      policies: 'object instance',
      permissive: 'undefined true',
      credentials: 'undefined',
    }),
    parameter('decisionLog', 'none', (value) => call(core.decisionLog, value)),
    ...optionsOf('decisionLog', {}, (options) => call(core.decisionLog, options), { stream: 'none' }),
    parameter('policyFiles', 'none', (value) => call(policy.policyFiles, value)),
    ...optionsOf('policyFiles', {}, (options) => call(policy.policyFiles, options), { files: 'none', folder: 'none' }),
    parameter('parsePolicyDocument text', 'text', (value) => call(policy.parsePolicyDocument, value, { name: 'x' })),
    parameter('parsePolicyDocument options', 'none', (value) => call(policy.parsePolicyDocument, 'version: 1', value)),
    parameter('policyWarnings', 'none', (value) => call(policy.policyWarnings, value)),
    parameter('formatPolicyDocument', 'none', (value) => call(policy.formatPolicyDocument, value)),
    parameter('describeProblem', 'none', (value) => call(policy.describeProblem, value)),
    parameter('opaAuthorizer', 'none', (value) => call(opa.opaAuthorizer, value)),
    ...optionsOf('opaAuthorizer', {}, (options) => call(opa.opaAuthorizer, options), { wasm: 'none' }),
  ]
}
