import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Policy, Rule } from '@countersign/authorization'
import { formatPolicyDocument, parsePolicyDocument } from '@countersign/policy'
import { parseDocument } from 'yaml'
import { scale } from '../support/long.ts'
import { createRandom, type Random } from '../certificate/random.ts'

const documents: readonly string[] = [
  `version: 1
# Who may call billing.
rules:
  - path: /invoices/**
    methods: [GET, POST]
    allow: { hasAuthority: SERVICE_core-api }
  - path: "/reports/*"
    allow:
      anyOf:
        - inNamespace: [production]
        - allOf:
            - provenBy: [x509-svid]
            - serviceAccounts: ['production/core-api']
    audit: { until: 2027-01-01T00:00:00Z }
  - { path: /status, allow: { permitAll: true } }
  - path: /**
    allow: [spiffe://saas.example/ns/*/sa/core-api, "spiffe://partner.example/**"]
`,
  `version: 1
audit:
  until: '2027-01-01T00:00:00Z'
policies:
  - name: no partners
    action: DENY
    from:
      - notTrustDomains: [saas.example]
        notIpBlocks: [10.0.0.0/8, 'fd00::/8']
    to:
    - paths: [/admin, /admin/**]
      notMethods: [GET]
      hosts: ['*.api.example']
      ports: [443]
    when:
      - header: x-tenant
        values: [a*, "*"]
  - name: |-
      emergency
    action: ALLOW
    maxLifetime: 1h
    breakGlass: true
    from: [{ callers: [spiffe://saas.example/admin/*] }]
`,
  JSON.stringify(
    {
      version: 1,
      policies: [
        { name: 'a', action: 'ALLOW', from: [{ namespaces: ['x'], authorities: ['Y'], credentials: ['forwarded'] }] },
        { name: 'b', action: 'DENY', to: [{ methods: ['PUT'] }], when: [{ header: 'x-b', notValues: ['1'] }] },
      ],
    },
    undefined,
    '\t',
  ),
]

const syntax: readonly string[] = [
  '\n',
  '\r\n',
  '\t',
  ' ',
  '  ',
  '- ',
  ': ',
  ', ',
  '#',
  '&a',
  '*a',
  '!!str ',
  '<<: ',
  '? ',
  '---\n',
  '...\n',
  '|\n',
  '>-\n',
]

const scalars: readonly string[] = [
  '~',
  'null',
  'true',
  'NO',
  '0x1',
  '1e9',
  '.nan',
  '-',
  '=',
  '__proto__',
  'constructor',
  '"',
  "'",
  '\\u0000',
  '\0',
  '\u2028',
  '\uFEFF',
  '\uD800',
  '😀',
  '%YAML 1.1\n',
]

// Words and punctuation of the documents come first.
const tokens: readonly string[] = [...(documents.join(' ').match(/[\w-]+|[^\s\w]/g) ?? []), ...syntax, ...scalars]

const runs = scale(5_000, 100_000)

test(`parses ${runs} mutated documents: each is refused with places, or means what another parser reads`, () => {
  const random = createRandom(20_261_128)
  let accepted = 0
  for (let run = 0; run < runs; run += 1) {
    const text = mutate(documents[run % documents.length] ?? '', random)
    const { problems, rules, policies } = parsePolicyDocument(text, { name: 'a' })
    for (const { line, column } of problems) {
      assert.ok(line >= 1 && column >= 1 && line <= text.split(/\r\n|\n|\r/).length, JSON.stringify(text))
    }
    if (problems.length > 0) continue
    accepted += 1
    assert.deepEqual(listFields({ rules, policies }), listFields(readElsewhere(text)), JSON.stringify(text))
    if (run % 7 === 0) assertWritten({ ...(rules !== undefined && { rules }), policies })
  }
  // Otherwise the mutations would only test the syntax.
  assert.ok(accepted > runs / 50 && accepted < runs / 2, `${accepted} accepted`)
})

function mutate(document: string, random: Random): string {
  let text = document
  for (let count = 1 + random.below(3); count > 0; count -= 1) {
    const [start, length] = [random.below(text.length + 1), random.below(random.below(10) === 0 ? 200 : 12)]
    const lines = text.split('\n')
    const [one, other] = [random.below(lines.length), random.below(lines.length)]
    const inserted = tokens[random.below(tokens.length)] ?? ''
    switch (random.below(6)) {
      case 0:
        text = text.slice(0, start) + text.slice(start + length)
        break
      case 1:
        text = text.slice(0, start) + inserted + text.slice(start)
        break
      case 2:
        text = text.slice(0, start) + inserted + text.slice(start + length)
        break
      case 3:
        text = lines.toSpliced(other, 0, lines[one] ?? '').join('\n')
        break
      case 4:
        text = lines.toSpliced(one, 1, `${' '.repeat(random.below(5))}${lines[one]?.trimStart()}`).join('\n')
        break
      default:
        text = text.replaceAll(tokens[random.below(60)] ?? 'a', (found) => (random.below(4) === 0 ? inserted : found))
    }
  }
  return text
}

/** The rules and policies as another YAML parser reads them. */
function readElsewhere(text: string): { readonly rules?: unknown; readonly policies: unknown } {
  const document = parseDocument(text)
  assert.deepEqual(
    document.errors.map(({ message }) => message),
    [],
    JSON.stringify(text),
  )
  const value: unknown = document.toJS()
  assert.ok(typeof value === 'object' && value !== null)
  const known = ['version', 'audit', 'rules', 'policies', '$schema']
  assert.deepEqual(
    Object.keys(value).filter((key) => !known.includes(key)),
    [],
  )
  const audit: unknown = Reflect.get(value, 'audit')
  const inherit = (entries: unknown): unknown =>
    Array.isArray(entries)
      ? entries.map((entry: object) => ({ ...(audit !== undefined && { audit }), ...entry }))
      : entries
  return { rules: inherit(Reflect.get(value, 'rules')), policies: inherit(Reflect.get(value, 'policies')) ?? [] }
}

/** All values with their paths, except the places that parsing adds. */
function listFields(value: unknown, path = ''): readonly string[] {
  if (typeof value !== 'object' || value === null)
    return value === undefined ? [] : [`${path}=${JSON.stringify(value)}`]
  const fields = Object.entries(value).filter(([name]) => name !== 'declaredAt')
  return [
    `${path}:${Array.isArray(value)}`,
    ...fields.flatMap(([name, each]) => listFields(each, `${path}/${name}`)).toSorted(),
  ]
}

function assertWritten(set: { readonly rules?: readonly Rule[]; readonly policies: readonly Policy[] }): void {
  const { rules, policies, problems } = parsePolicyDocument(formatPolicyDocument(set), { name: 'a' })
  assert.deepEqual(problems, [])
  assert.deepEqual(listFields({ rules, policies }), listFields(set))
}
