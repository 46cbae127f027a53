import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { compilePolicies, compileRules } from '@countersign/authorization'
import { ConfigurationError } from '@countersign/core'
import { PolicyDocumentError, policyFiles } from '@countersign/policy'
import { createFolder, denying, namesOf, open } from './write-documents.ts'

test('a set is all documents of a folder, in the order of their names', async (context) => {
  const folder = createFolder(context)
  writeFileSync(join(folder, 'b.yml'), denying('b'))
  writeFileSync(join(folder, 'a.yaml'), 'version: 1\nrules: [{ path: /a, allow: { denyAll: true } }]')
  writeFileSync(join(folder, 'c.json'), denying('c'))
  writeFileSync(join(folder, '.hidden.yaml'), 'version: 2')
  writeFileSync(join(folder, 'notes.txt'), 'none')
  for (const location of [folder, { folder }]) {
    const { current } = await open(context, location)
    assert.deepEqual(namesOf(current), ['b', 'c'])
    assert.equal(current.rules?.length, 1)
    assert.ok(Object.isFrozen(current))
  }
})

test('the revision is the hash of the base names and contents', async (context) => {
  const [one, other] = [createFolder(context), createFolder(context)]
  for (const folder of [one, other]) {
    writeFileSync(join(folder, 'b.yaml'), denying('b'))
    writeFileSync(join(folder, 'a.yaml'), denying('a'))
  }
  const hash = createHash('sha256')
  for (const name of ['a', 'b']) hash.update(`${name}.yaml\0${denying(name).length}\0${denying(name)}`)
  const expected = `sha256:${hash.digest('hex')}`
  const paths = ['b.yaml', 'a.yaml'].map((name) => join(one, name))
  for (const location of [one, other, paths, { files: paths }]) {
    assert.equal((await open(context, location)).current.revision, expected)
  }
  writeFileSync(join(other, 'a.yaml'), `${denying('a')} `)
  assert.notEqual((await open(context, other)).current.revision, expected)
})

test('documents of the same name are told apart by their paths', async (context) => {
  const folder = createFolder(context)
  const paths = ['one', 'other'].map((name) => {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'a.yaml'), denying(name))
    return join(folder, name, 'a.yaml')
  })
  const { policies = [] } = (await open(context, paths)).current
  assert.deepEqual(
    policies.map(({ declaredAt }) => declaredAt),
    paths.map((path) => `${path}:1:26`),
  )
})

test('rules and policies of a document are accepted by the compiler, which names their place', async (context) => {
  const folder = createFolder(context)
  const name = `${'a'.repeat(240)}\n.yaml`
  const rules = 'rules: [{ path: /a, allow: { denyAll: true } }, { path: /a, allow: { permitAll: true } }]'
  writeFileSync(join(folder, name), `version: 1\npolicies: [{ name: a, action: DENY }]\n${rules}\n`)
  const { current } = await open(context, folder)
  assert.equal(current.policies?.[0]?.declaredAt, `…${'a'.repeat(193)}\uFFFD.yaml:2:12`)
  const compiled = compilePolicies(current.policies, { localTrustDomain: 'a.example', isAllowRequired: false })
  assert.equal(compiled.policies[0]?.source.declaredAt, current.policies?.[0]?.declaredAt)
  assert.throws(() => compileRules(current.rules, { localTrustDomain: 'a.example' }), {
    code: 'rule_unreachable',
    message: /^rules\[1\] \(\/a, …a+\uFFFD\.yaml:3:49\) is unreachable/,
  })
})

test('refuses a name that two documents use, and rules in two documents', async (context) => {
  const folder = createFolder(context)
  writeFileSync(join(folder, 'a.yaml'), denying('same'))
  writeFileSync(join(folder, 'b.yaml'), denying('other', 'same'))
  const rules = 'version: 1\nrules:\n  - { path: /a, allow: { denyAll: true } }\n'
  writeFileSync(join(folder, 'c.yaml'), rules)
  writeFileSync(join(folder, 'd.yaml'), rules)
  await assert.rejects(policyFiles(folder), (error) => {
    assert.ok(error instanceof PolicyDocumentError)
    assert.deepEqual(
      error.problems.map(({ file, line, column, path }) => `${file}:${line}:${column} ${path}`),
      ['d.yaml:3:5 rules', 'b.yaml:1:59 policies'],
    )
    assert.match(error.problems[1]?.expected ?? '', /a\.yaml:1:26/)
    return true
  })
})

test('reports the problems of all documents when it starts', async (context) => {
  const folder = createFolder(context)
  writeFileSync(join(folder, 'a.yaml'), 'version: 2\npolicies: []')
  writeFileSync(join(folder, 'b.yaml'), Buffer.from([0x76, 0xff]))
  await assert.rejects(policyFiles(folder), (error) => {
    assert.ok(error instanceof PolicyDocumentError)
    assert.equal(error.code, 'document_invalid')
    assert.match(
      error.message,
      /^a\.yaml:1:10: version: found 2, expected 1\nb\.yaml:1:1: found bytes that are not UTF-8/,
    )
    return true
  })
})

test('refuses files that cannot be read, before it starts', async (context) => {
  const folder = createFolder(context)
  const file = join(folder, 'a.yaml')
  writeFileSync(file, denying('a'))
  const empty = join(folder, 'empty')
  mkdirSync(empty)
  const large = join(folder, 'large.txt')
  writeFileSync(large, Buffer.alloc(16 * 2 ** 20 + 1, ' '))
  const many = join(folder, 'many')
  mkdirSync(many)
  for (let index = 0; index < 1025; index += 1) writeFileSync(join(many, `${index}.json`), '{}')
  const nested = join(folder, 'nested')
  mkdirSync(join(nested, 'a.yaml'), { recursive: true })
  for (const [code, location] of [
    ['file_missing', join(folder, 'none.yaml')],
    ['file_missing', { folder: join(folder, 'none') }],
    ['file_unsuitable', empty],
    ['file_unsuitable', { folder: file }],
    ['file_unsuitable', { files: [folder] }],
    ['file_unsuitable', large],
    ['file_unsuitable', many],
    ['file_unsuitable', nested],
  ] as const) {
    await assert.rejects(policyFiles(location), { name: 'SourceError', code }, JSON.stringify(location))
  }
  if (process.getuid?.() === 0) return
  chmodSync(file, 0)
  await assert.rejects(policyFiles(file), { code: 'file_forbidden' })
})

test('refuses five documents that are too large together', async (context) => {
  const folder = createFolder(context)
  for (let index = 0; index < 5; index += 1)
    writeFileSync(join(folder, `${index}.yaml`), Buffer.alloc(14 * 2 ** 20, ' '))
  await assert.rejects(policyFiles(folder), { code: 'file_unsuitable', message: /73400320 bytes in 5 files/ })
})

const misuses: readonly unknown[] = [
  undefined,
  '',
  [],
  [''],
  ['a.yaml', './a.yaml'],
  new URL('file:///policies'),
  17,
  {},
  { files: [] },
  { files: 'a.yaml' },
  { folder: [] },
  { files: ['a.yaml'], folder: 'b' },
  { folder: 'a', pollInterval: 999 },
  { folder: 'a', pollInterval: 'soon' },
  { folder: 'a', pollInterval: '0s' },
  { folder: 'a', poll: 1000 },
]

for (const location of misuses) {
  test(`refuses policyFiles(${typeof location === 'object' && location !== null ? JSON.stringify(location) : String(location)})`, async () => {
    await assert.rejects(callWith(location), ConfigurationError)
  })
}

async function callWith(location: unknown): Promise<unknown> {
  const result: unknown = await Reflect.apply(policyFiles, undefined, [location])
  return result
}
