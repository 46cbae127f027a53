import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allOf, anonymous, anyOf, callers, custom, hasAuthority, perRoute, provenBy } from '@countersign/authorization'
import { formatPolicyDocument } from '@countersign/policy'
import * as fc from 'fast-check'
import { readYaml } from '../../packages/policy/src/yaml/read-yaml.ts'
import { writeYaml } from '../../packages/policy/src/yaml/write-yaml.ts'
import { scale } from '../support/long.ts'
import { parse } from './parse.ts'

test('writes rules and policies as a document that means the same', () => {
  const shared = hasAuthority('NO')
  const set = {
    rules: [
      {
        path: '/a/**',
        methods: ['GET'],
        allow: anyOf(shared, shared, allOf(provenBy('x509-svid'), callers('spiffe://a.example/**'))),
      },
      {
        path: '/b',
        allow: ['spiffe://a.example/b'],
        audit: { until: '2027-01-01T00:00:00Z' },
        declaredAt: 'elsewhere:1:1',
      },
      { path: '/c', allow: anyOf(anonymous(), hasAuthority('1_000')) },
    ],
    policies: [
      {
        name: 'a: b # c',
        action: 'DENY' as const,
        from: [{ notTrustDomains: ['a.example'] }],
        to: [{ paths: ['/x/**'], ports: [443] }],
        when: [{ header: 'x-a', values: ['*', 'true', '~'] }],
      },
    ],
  }
  const text = formatPolicyDocument(set)
  assert.equal(
    text,
    `version: 1
rules:
  - path: /a/**
    methods: [GET]
    allow:
      anyOf:
        - hasAuthority: 'NO'
        - hasAuthority: 'NO'
        - allOf:
            - provenBy: [x509-svid]
            - callers: [spiffe://a.example/**]
  - path: /b
    allow: [spiffe://a.example/b]
    audit:
      until: '2027-01-01T00:00:00Z'
  - path: /c
    allow:
      anyOf:
        - anonymous: true
        - hasAuthority: '1_000'
policies:
  - name: 'a: b # c'
    action: DENY
    from:
      - notTrustDomains: [a.example]
    to:
      - paths: [/x/**]
        ports: [443]
    when:
      - header: x-a
        values: ['*', 'true', '~']
`,
  )
  const { rules, policies, problems } = parse(text)
  const strip = (entries: readonly object[] | undefined): unknown =>
    entries?.map((entry) => Object.fromEntries(Object.entries(entry).filter(([name]) => name !== 'declaredAt')))
  assert.deepEqual(problems, [])
  assert.deepEqual(strip(rules), strip(set.rules))
  assert.deepEqual(strip(policies), set.policies)
})

test('writes the schema for editors if it is given', () => {
  const text = formatPolicyDocument({ policies: [] }, { schema: './schema.json' })
  assert.equal(text, '# yaml-language-server: $schema=./schema.json\nversion: 1\npolicies: []\n')
})

test('leaves out fields that are undefined', () => {
  const rule = Object.fromEntries([
    ['path', '/a'],
    ['methods', undefined],
  ])
  assert.equal(
    formatPolicyDocument({ rules: [{ path: '/a', allow: { denyAll: true }, ...rule }] }),
    'version: 1\nrules:\n  - path: /a\n    allow:\n      denyAll: true\n',
  )
})

test('refuses what exists only in code, and names its place', () => {
  for (const [allow, place] of [
    [custom('office hours', () => true), "rules[1].allow: found custom('office hours')"],
    [anyOf(hasAuthority('A'), allOf(custom('b', () => true))), "rules[1].allow.anyOf[1].allOf[0]: found custom('b')"],
    [perRoute(), 'rules[1].allow: found perRoute()'],
  ] as const) {
    assert.throws(
      () =>
        formatPolicyDocument({
          rules: [
            { path: '/a', allow: hasAuthority('A') },
            { path: '/b', allow },
          ],
        }),
      (error) => error instanceof Error && error.message.startsWith(place),
    )
  }
})

test('refuses invalid rules, policies and line breaks in the path of the schema', () => {
  assert.throws(() => formatPolicyDocument({ rules: [{ path: 'a', allow: { denyAll: true } }] }), {
    code: 'document_invalid',
  })
  assert.throws(() => formatPolicyDocument({ policies: [{ name: '', action: 'DENY' }] }), { code: 'document_invalid' })
  assert.throws(() => formatPolicyDocument({}), { code: 'document_invalid' })
  assert.throws(() => formatPolicyDocument({ policies: [] }, { schema: 'a\npolicies: []' }), { code: 'option_invalid' })
})

test('any text is written so that it is parsed as the same text', () => {
  const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }).filter((each) => !/\p{Cs}/u.test(each))
  fc.assert(
    fc.property(text, fc.array(text, { minLength: 1, maxLength: 3 }), (one, list) => {
      const written = writeYaml({ one, list, nested: [{ one }] })
      assert.deepEqual(readYaml(written).value, { one, list, nested: [{ one }] }, written)
      assert.doesNotMatch(written, /[^\P{C}\n]|[\p{Zl}\p{Zp}]/u)
    }),
    {
      numRuns: scale(1000, 20_000),
      examples: [['in\u200Bvisible', ['a\u00ADb', '\u{E0001}', 'a\u2028b', '\uFEFF', 'a\nb']]],
    },
  )
})
