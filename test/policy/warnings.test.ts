import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type PolicyWarningCode, policyWarnings } from '@countersign/policy'
import { parse } from './parse.ts'

const now = Date.UTC(2026, 11, 1)

function warn(policy: string): readonly PolicyWarningCode[] {
  const document = parse(`version: 1\npolicies:\n  - { name: a, ${policy} }\n`)
  assert.deepEqual(document.problems, [])
  return policyWarnings(document, { now }).map(({ code }) => code)
}

const cases: readonly (readonly [policy: string, ...codes: readonly PolicyWarningCode[]])[] = [
  ['action: DENY', 'deny_everything'],
  ['action: ALLOW', 'allow_everything'],
  ['action: ALLOW, from: [{ namespaces: [a] }]'],
  ['action: ALLOW, when: [{ header: a, values: [b] }]'],
  ['action: DENY, to: [{}]', 'empty_entry'],
  ['action: ALLOW, from: [{ namespaces: [a] }, {}]', 'empty_entry'],
  ['action: ALLOW, from: [{ namespaces: [a] }, { authorities: [B] }]', 'split_entry'],
  ['action: ALLOW, from: [{ namespaces: [a] }, { namespaces: [b] }]'],
  ['action: ALLOW, from: [{ namespaces: [a], authorities: [B] }, { trustDomains: [c.example] }]'],
  ['action: DENY, to: [{ methods: [GET] }, { paths: [/a/**] }]', 'split_entry'],
  ['action: ALLOW, from: [{ notNamespaces: [a] }]', 'allow_negative_callers'],
  ['action: ALLOW, from: [{ notNamespaces: [a], ipBlocks: [10.0.0.0/8] }]', 'allow_negative_callers'],
  ['action: ALLOW, from: [{ notNamespaces: [a], trustDomains: [b.example] }]'],
  ['action: DENY, from: [{ notNamespaces: [a] }]'],
  ['action: ALLOW, from: [{ ipBlocks: [10.0.0.0/8] }]', 'allow_by_address'],
  ['action: DENY, from: [{ ipBlocks: [10.0.0.0/8] }]'],
  ['action: DENY, to: [{ paths: [/admin] }]', 'path_without_subtree'],
  ['action: DENY, to: [{ paths: [/admin, /admin/**] }]'],
  ['action: DENY, to: [{ paths: [/] }]'],
  ['action: ALLOW, to: [{ paths: [/admin] }]'],
  ['action: ALLOW, to: [{ paths: [/**], notPaths: [/admin] }]', 'path_without_subtree'],
  ["action: DENY, to: [{ paths: [/a/**] }], audit: { until: '2026-11-30T00:00:00Z' }", 'audit_over'],
  ["action: DENY, to: [{ paths: [/a/**] }], audit: { until: '2026-12-02T00:00:00Z' }"],
]

for (const [policy, ...codes] of cases) {
  test(`${codes.length === 0 ? 'accepts' : 'warns of'} { ${policy} }`, () => {
    assert.deepEqual(warn(policy), codes)
  })
}

test('a warning has the place and the name of the policy, and that of a rule no name', () => {
  const document = parse(
    "version: 1\naudit: { until: '2026-11-30T00:00:00Z' }\nrules:\n  - { path: /a, allow: { denyAll: true } }\npolicies:\n  - { name: a, action: DENY, to: [{ paths: [/a/**] }] }\n",
  )
  assert.deepEqual(
    policyWarnings(document, { now }).map(({ code, declaredAt, policy }) => [code, declaredAt, policy]),
    [
      ['audit_over', 'a.yaml:4:5', undefined],
      ['audit_over', 'a.yaml:6:5', 'a'],
    ],
  )
})
