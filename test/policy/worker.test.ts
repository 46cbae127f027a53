import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadInWorker } from '../../packages/policy/src/worker/run-worker.ts'
import { parseFiles } from '../../packages/policy/src/worker/parse-files.ts'
import { splitResult } from '../../packages/policy/src/worker/split-result.ts'
import { PolicyDocumentError } from '@countersign/policy'
import { denying } from './write-documents.ts'

const files = (...texts: readonly string[]): { name: string; bytes: Uint8Array }[] =>
  texts.map((text, index) => ({ name: `${index}.yaml`, bytes: new TextEncoder().encode(text) }))

test('a worker parses the documents of a set into deeply frozen values', async () => {
  const rules = 'version: 1\nrules: [{ path: /a, methods: [GET], allow: { anyOf: [{ denyAll: true }] } }]'
  const loaded = await loadInWorker(files(denying('a', 'b'), rules))
  assert.deepEqual(
    loaded.policies.map(({ name, declaredAt }) => `${name} ${declaredAt}`),
    ['a 0.yaml:1:26', 'b 0.yaml:1:55'],
  )
  assert.equal(loaded.rules?.[0]?.declaredAt, '1.yaml:2:9')
  assertFrozen(loaded.policies)
  assertFrozen(loaded.rules)
})

test('problems of all documents arrive together', async () => {
  const load = loadInWorker(files('version: 2\npolicies: []', denying('a'), 'version: 1'))
  await assert.rejects(load, (error) => {
    assert.ok(error instanceof PolicyDocumentError)
    assert.equal(error.code, 'document_invalid')
    assert.deepEqual(
      error.problems.map(({ file, line, column }) => `${file}:${line}:${column}`),
      ['0.yaml:1:10', '2.yaml:1:1'],
    )
    assert.equal(error.message.split('\n').length, 2)
    return true
  })
})

test('two policies of one name and two documents with rules are problems of the set', () => {
  const rules = 'version: 1\nrules: [{ path: /a, allow: { denyAll: true } }]'
  const { problems } = parseFiles({ files: files(denying('a'), denying('b', 'a'), rules, rules) })
  assert.deepEqual(
    problems.map(({ file, path }) => `${file} ${path}`),
    ['3.yaml rules', '1.yaml policies'],
  )
})

test('bytes that are not UTF-8 are a problem of their document', () => {
  const { problems } = parseFiles({ files: [{ name: 'a.yaml', bytes: Buffer.from('version: 1 # \xff', 'latin1') }] })
  assert.deepEqual(
    problems.map(({ file, found }) => [file, found]),
    [['a.yaml', 'bytes that are not UTF-8']],
  )
})

const failures: readonly (readonly [what: string, source: string, found: RegExp])[] = [
  ['throws', "throw new Error('broken')", /broken/],
  ['throws something that is not an error', 'throw 17', /worker/],
  ['does not compile', '}', /Unexpected/],
  ['rejects', "Promise.reject(new Error('rejected'))", /rejected/],
  ['exits early', 'process.exit(0)', /exit with code 0/],
  ['ends without a result', '1', /exit with code 0/],
  [
    'dies after the first part',
    "const { parentPort } = require('node:worker_threads'); parentPort.once('message', () => { parentPort.postMessage({ kind: 'policies', policies: [] }); process.exit(3) })",
    /exit with code 3|exit with code 0/,
  ],
  ['needs too much memory', 'const all = []; for (;;) all.push(new Array(1e6).fill(all.length))', /memory/i],
  [
    'never answers',
    "require('node:worker_threads').parentPort.on('message', () => { for (;;); })",
    /no result after 1500 ms/,
  ],
]

for (const [what, source, found] of failures) {
  test(`a worker that ${what} is an error of the load`, async () => {
    const load = loadInWorker(files(denying('a')), {
      source,
      timeoutMs: what === 'never answers' ? 1500 : 60_000,
      mostMemory: 64,
    })
    await assert.rejects(load, (error) => {
      assert.ok(error instanceof PolicyDocumentError)
      assert.equal(error.code, 'load_failed')
      assert.match(error.message, found)
      assert.deepEqual(error.problems, [])
      return true
    })
  })
}

test('a load can be ended early', async () => {
  const end = new AbortController()
  const load = loadInWorker(files(denying('a')), { signal: end.signal, source: 'setInterval(() => {}, 1000)' })
  setImmediate(() => end.abort())
  await assert.rejects(load, { code: 'load_failed' })
  await assert.rejects(loadInWorker(files(denying('a')), { signal: end.signal }), { code: 'load_failed' })
})

test('a result is sent in parts of bounded size, in order', () => {
  const rules = Array.from({ length: 10_000 }, (_, index) => ({
    path: `/${index}`,
    methods: ['GET'],
    allow: ['a', 'b'],
  }))
  const policies = [{ name: 'a', action: 'DENY' as const }]
  const parts = [...splitResult({ rules, policies, problems: [] })]
  assert.ok(parts.length > 20)
  for (const part of parts) assert.ok(countValues(part) < 2500, `${countValues(part)} values`)
  assert.deepEqual(
    parts.flatMap((part) => (part.kind === 'rules' ? part.rules : [])),
    rules,
  )
  assert.deepEqual(parts.at(-1), { kind: 'policies', policies })
})

function countValues(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1
  return Object.values(value).reduce((sum: number, each) => sum + countValues(each), 1)
}

function assertFrozen(value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  assert.ok(Object.isFrozen(value), JSON.stringify(value))
  for (const each of Object.values(value)) assertFrozen(each)
}
