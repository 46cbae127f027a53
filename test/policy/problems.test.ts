import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeProblem } from '@countersign/policy'
import { listPlaces, parse, parseProblem, withAllow, withPolicy } from './parse.ts'

const places: readonly (readonly [what: string, text: string, ...places: readonly string[]])[] = [
  ['an empty text', '', '1:1 '],
  ['a list', '- version: 1', '1:1 '],
  ['no version', 'policies: []', '1:1 '],
  ['another version', 'policies: []\nversion: 2', '2:10 version'],
  ['neither rules nor policies', 'version: 1', '1:1 '],
  ['an unknown field', 'version: 1\npolicies: []\nrules-: []', '3:1 rules-'],
  ['an empty list of rules', 'version: 1\nrules: []', '2:8 rules'],
  ['a rule that is text', 'version: 1\nrules:\n  - /a', '3:5 rules[0]'],
  ['a field without a value', 'version: 1\nrules:\n  - allow: [spiffe://a.example/b]\n    path:', '4:5 rules[0].path'],
  ['a misspelled field', 'version: 1\nrules:\n  - path: /a\n    alow: {}', '3:5 rules[0]', '4:5 rules[0].alow'],
  ['a path without a slash', 'version: 1\nrules:\n  - path: a\n    allow: { denyAll: true }', '3:11 rules[0].path'],
  [
    'an unknown method',
    'version: 1\nrules:\n  - { path: /a, methods: [GET, get], allow: { denyAll: true } }',
    '3:32 rules[0].methods[1]',
  ],
  [
    'a method twice',
    'version: 1\nrules:\n  - { path: /a, methods: [GET, GET], allow: { denyAll: true } }',
    '3:32 rules[0].methods[1]',
  ],
  ['two requirements at once', withAllow('{ denyAll: true, permitAll: true }'), '4:12 rules[0].allow'],
  ['a requirement without a kind', withAllow('{}'), '4:12 rules[0].allow'],
  ['a caller that is not a SPIFFE ID', withAllow('[spiffe://a.example/b, core-api]'), '4:35 rules[0].allow[1]'],
  [
    'a nested requirement',
    withAllow('{ anyOf: [{ denyAll: true }, { hasAuthority: 1 }] }'),
    '4:57 rules[0].allow.anyOf[1].hasAuthority',
  ],
  ['anonymous alone', withAllow('{ anonymous: true }'), '4:12 rules[0].allow'],
  [
    'an encoded slash without a wildcard',
    `${withAllow('{ denyAll: true }')}    allowEncodedSlash: true`,
    '5:24 rules[0].allowEncodedSlash',
  ],
  [
    'a date without a time zone',
    `version: 1\naudit: { until: 2027-01-01 }\nrules:\n  - { path: /a, allow: { denyAll: true }, audit: { until: 2027-01-01T00:00:00 } }`,
    '2:17 audit.until',
    '4:59 rules[0].audit.until',
  ],
  ['a policy without a name', 'version: 1\npolicies:\n  - action: DENY', '3:5 policies[0]'],
  ['an action in lower case', 'version: 1\npolicies:\n  - { name: a, action: deny }', '3:24 policies[0].action'],
  ['an unknown field of callers', withPolicy('from:', '  - principals: [a]'), '6:9 policies[0].from[0].principals'],
  ['a host with a port', withPolicy('to: [{ hosts: [api.example:443] }]'), '5:20 policies[0].to[0].hosts[0]'],
  ['a port out of range', withPolicy('to: [{ ports: [65536] }]'), '5:20 policies[0].to[0].ports[0]'],
  ['an invalid block', withPolicy('from: [{ ipBlocks: [10.0.0.0/33] }]'), '5:25 policies[0].from[0].ipBlocks[0]'],
  [
    'a header with a credential',
    withPolicy('when: [{ header: Authorization, values: [a] }]'),
    '5:22 policies[0].when[0].header',
  ],
  ['a header without values', withPolicy('when: [{ header: a }]'), '5:12 policies[0].when[0]'],
  ['an emergency that denies', withPolicy('breakGlass: true', 'maxLifetime: 1h'), '5:17 policies[0].breakGlass'],
  [
    'problems of several entries',
    `${withPolicy('too: []')}  - name: second\n    action: DENY\n    to: []\n`,
    '5:5 policies[0].too',
    '8:9 policies[1].to',
  ],
]

for (const [what, text, ...expected] of places) {
  test(`reports ${what} with line, column and path`, () => {
    assert.deepEqual(listPlaces(text), expected)
    assert.equal(parse(text).rules, undefined)
    assert.deepEqual(parse(text).policies, [])
  })
}

test('suggests the nearest name of a field and of a value', () => {
  const nearest = (text: string): readonly (string | undefined)[] => parse(text).problems.map((each) => each.nearest)
  assert.deepEqual(nearest(withAllow('{ hasAutority: a }')), ['hasAuthority'])
  assert.deepEqual(nearest(withPolicy('form: []')), ['from'])
  assert.deepEqual(nearest(withPolicy('to: [{ methods: [PSOT] }]')), ['POST'])
  assert.deepEqual(nearest(withPolicy('xyzzy: []')), [undefined])
})

test('explains that functions exist only in code', () => {
  for (const name of ['custom', 'perRoute']) {
    const problem = parseProblem(withAllow(`{ ${name}: true }`))
    assert.match(problem.expected, /only in code/)
    assert.equal(problem.path, `rules[0].allow.${name}`)
  }
  assert.match(parseProblem(`${withAllow('{ denyAll: true }')}    declaredAt: x`).expected, /added/)
})

test('says to quote a value that YAML does not read as text', () => {
  for (const value of ['true', '17', '1e3', '0x10', '.inf']) {
    assert.match(parseProblem(withAllow(`{ hasAuthority: ${value} }`)).expected, /in quotes/)
  }
})

test('writes a problem as one line', () => {
  const [line] = parse(withAllow('{ hasAutority: a }')).problems.map(describeProblem)
  assert.match(
    line ?? '',
    /^a\.yaml:4:14: rules\[0\]\.allow\.hasAutority: found the unknown field 'hasAutority', expected one of hasAuthority, .*; did you mean 'hasAuthority'\?$/,
  )
})

test('reports at most 100 problems, in the order of the document', () => {
  const { problems } = parse(`version: 1\npolicies:\n${'  - { nam: a, action: DENY }\n'.repeat(200)}`)
  assert.equal(problems.length, 100)
  const offsets = problems.map(({ line, column }) => line * 1000 + column)
  assert.deepEqual(
    offsets,
    offsets.toSorted((one, other) => one - other),
  )
})

test('refuses a text that is longer than 16 MiB', () => {
  assert.match(parseProblem(' '.repeat(16 * 2 ** 20 + 1)).found, /^16777217 /)
})

test('gives each rule and policy the place where it is declared', () => {
  const { rules, policies } = parse(
    `${withPolicy('to: [{ paths: [/a] }]')}rules:\n  - { path: /a, allow: { denyAll: true } }\n  -\n    path: /b\n    allow: { denyAll: true }\n`,
  )
  assert.deepEqual(
    policies.map(({ declaredAt }) => declaredAt),
    ['a.yaml:3:5'],
  )
  assert.deepEqual(
    rules?.map(({ declaredAt }) => declaredAt),
    ['a.yaml:7:5', 'a.yaml:9:5'],
  )
})

test('gives the audit mode of the document to every entry without its own', () => {
  const [document, own] = ['2027-01-01T00:00:00Z', '2027-02-01T00:00:00Z']
  const policy = `  - { name: second, action: DENY, audit: { until: '${own}' } }\n`
  const rule = `  - { path: /a, allow: { denyAll: true }, audit: { until: '${own}' } }\n  - { path: /b, allow: { denyAll: true } }`
  const text = `audit: { until: '${document}' }\n${withPolicy()}${policy}rules:\n${rule}`
  const { rules, policies, problems } = parse(text)
  assert.deepEqual(problems, [])
  assert.deepEqual(
    policies.map(({ audit }) => audit?.until),
    [document, own],
  )
  assert.deepEqual(
    rules?.map(({ audit }) => audit?.until),
    [own, document],
  )
})

test('a problem is one short line, whatever the document contains', () => {
  const long = 'k'.repeat(100_000)
  const texts = [
    `version: 1\npolicies: []\n"a\\nb.yaml:1:1: fake\\e[2J": 1`,
    `version: 1\n"${long}\\n": 1\n"${long}\\n": 2`,
    `version: 1\npolicies: []\n? ${long}\n: 1`,
    withAllow(`{ ${Array.from({ length: 1000 }, (_, index) => `k${index}: 1`).join(', ')} }`),
    withPolicy('when: [{ header: "a\\nb", values: ["\\u2028\\n"] }]'),
  ]
  for (const text of texts) {
    const problems = parse(text).problems.map(describeProblem)
    assert.notEqual(problems.length, 0)
    for (const problem of problems) assert.match(problem, /^[^\p{C}\p{Zl}\p{Zp}]{1,1000}$/u)
  }
})

test('a document with very many faults is refused in little time', () => {
  // Twice the faults take twice the time; the bound is that of a worker.
  assert.equal(parse(`version: 1\npolicies: [${'{},'.repeat(100_000)}]`).problems.length, 100)
})
