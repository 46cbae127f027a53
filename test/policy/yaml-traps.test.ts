import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse, parseProblem, withAllow, withPolicy } from './parse.ts'

// Text that other YAML parsers read as something else.
for (const text of [
  'NO',
  'no',
  'on',
  'off',
  'yes',
  'y',
  '1_000',
  '12:30:45',
  '2027-01-01',
  '=',
  '0b11',
  "'true'",
  '"17"',
]) {
  test(`reads ${text} as text`, () => {
    const { rules, problems } = parse(withAllow(`{ hasAuthority: ${text} }`))
    assert.deepEqual(problems, [])
    assert.deepEqual(rules?.[0]?.allow, { hasAuthority: text.replaceAll(/['"]/g, '') })
  })
}

const refused: readonly (readonly [what: string, text: string, found: RegExp, place: string])[] = [
  ['an alias', `version: 1\nx: &a [spiffe://a.example/b]\nrules: [{ path: /a, allow: *a }]`, /an anchor/, '2:4'],
  ['aliases that multiply', bomb(), /an anchor/, '2:5'],
  ['a merge key', `version: 1\npolicies:\n  - <<: { action: DENY }\n    name: a`, /merge key/, '3:5'],
  ['a known tag', `version: !!int 1\npolicies: []`, /a tag/, '1:10'],
  ['an unknown tag', `version: 1\npolicies: !include other.yaml`, /a tag/, '2:11'],
  ['a tag for JavaScript', `version: 1\npolicies: !!js/function 'x'`, /a tag/, '2:11'],
  ['a duplicate field', `version: 1\npolicies: []\nversion: 1`, /a second 'version'/, '3:1'],
  ['a duplicate field in JSON', `{"version":1,"policies":[],"version":1}`, /a second 'version'/, '1:28'],
  [
    'a duplicate field in another spelling',
    `version: 1\npolicies: []\n"v\\u0065rsion": 1`,
    /a second 'version'/,
    '3:1',
  ],
  ['two documents', `version: 1\npolicies: []\n---\nversion: 1\npolicies: []`, /a second document/, '4:1'],
  ['an empty second document', `version: 1\npolicies: []\n---\n`, /a second document/, '1:1'],
  ['a directive', `%YAML 1.1\n---\nversion: 1\npolicies: []`, /a directive/, '1:1'],
  ['a list as a field', `version: 1\npolicies: []\n? [a]\n: b`, /a mapping or a list as a key/, '3:3'],
  ['a field without a name', `version: 1\npolicies: []\n: b`, /without a name/, '2:11'],
  ['a tab as indentation', `version: 1\npolicies:\n\t- name: a`, /invalid syntax/, '3:1'],
  ['a quote that is open', `version: "1`, /invalid syntax/, '1:12'],
  ['a NUL', `version: 1\0`, /invalid syntax/, '1:11'],
  ['too many levels', withAllow('['.repeat(200)), /more than 100 levels/, '4:109'],
]

for (const [what, text, found, place] of refused) {
  test(`refuses ${what}`, () => {
    const { problems, policies, rules } = parse(text)
    assert.match(problems[0]?.found ?? '', found)
    assert.equal(`${problems[0]?.line}:${problems[0]?.column}`, place)
    assert.deepEqual([rules, policies], [undefined, []])
  })
}

for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
  test(`reports the field ${name} as unknown and changes no prototype`, () => {
    const problem = parseProblem(`${withPolicy()}    ${name}: { admin: true }\n`)
    assert.equal(problem.path, `policies[0].${name}`)
    assert.match(problem.found, /unknown field/)
    assert.equal(Reflect.get({}, 'admin'), undefined)
  })
}

test('reads CRLF, CR, a byte order mark and JSON, with the right places', () => {
  const text = withPolicy('too: []')
  for (const variant of [text, text.replaceAll('\n', '\r\n'), text.replaceAll('\n', '\r'), `\uFEFF${text}`]) {
    const { line, column } = parseProblem(variant)
    assert.deepEqual([line, column], [5, 5], JSON.stringify(variant))
  }
  const json = '{\n\t"version": 1,\n\t"policies": [\n\t\t{ "name": "a\\/b \\ud83d\\ude00", "action": "DENY" }\n\t]\n}'
  assert.equal(parse(json).policies[0]?.name, 'a/b 😀')
  assert.equal(parse(json).policies[0]?.declaredAt, 'a.yaml:4:3')
})

test('reports every fault of the text at once', () => {
  const { problems } = parse('version: &a 1\nversion: *a\nx: !y z\n')
  assert.deepEqual(
    problems.map(({ line, column }) => `${line}:${column}`),
    ['1:10', '2:1', '2:10', '3:4'],
  )
})

function bomb(): string {
  const lines = ['version: 1', 'a0: &a0 [x, x, x, x, x, x, x, x, x]']
  for (let level = 1; level < 30; level += 1) lines.push(`a${level}: &a${level} [${`*a${level - 1}, `.repeat(9)}]`)
  return lines.join('\n')
}
