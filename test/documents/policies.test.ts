import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test, { after, before } from 'node:test'
import type { PolicyEvent } from '@countersign/core'
import { parsePolicyDocument, policyFiles, policyWarnings } from '@countersign/policy'
import { serve } from '@countersign/testkit'
import { parseDocument } from 'yaml'
import { runInProcess } from '../cli/run-in-process.ts'
import { readPage, root } from './page.ts'
import { asObject, isGuard, parseObject, read, readFunction } from './read.ts'
import { readTable } from './table.ts'
import { testBlocks, testPrinted } from './test-page.ts'
import { createWorkbench, production, type Workbench } from './workbench.ts'

const page = readPage('docs/policies.md')

/** The documents of the page, by their names; those without a name by their line. */
const documents = new Map(
  page.blocks
    .filter(({ info, code }) => info === 'yaml' && /^version: 1$/m.test(code) && !code.includes('kind: ConfigMap'))
    .map(({ code, line }) => [/^# (\S+\.yaml)\n/.exec(code)?.[1] ?? `line-${line}.yaml`, code]),
)

let bench: Workbench
before(async () => {
  bench = await createWorkbench(page)
  bench.borrow(readPage('docs/operating.md'), 'source.ts')
  for (const [name, code] of documents) {
    mkdirSync(join(bench.folder, dirname(name)), { recursive: true })
    bench.write(name, code)
  }
})
after(async () => {
  const source = read(await bench.load('source.ts'), 'source')
  await readFunction(source, 'close').call(source)
  await bench.close()
})

testBlocks(page, () => bench)
testPrinted(page, () => bench, ['layers.ts', 'in-code.ts'])

test('each document on the page is valid, and none has a warning', () => {
  assert.ok(documents.size >= 7)
  for (const [name, code] of documents) {
    if (name.startsWith('invalid/')) continue
    const document = parsePolicyDocument(code, { name })
    assert.deepEqual(document.problems, [])
    assert.deepEqual(policyWarnings(document, { now: Date.parse('2026-12-01T00:00:00Z') }), [])
  }
})

test('the problems of the invalid document are printed as the page shows', async () => {
  const shown = page.blocks.find(({ info }) => info === 'text printed by problems.ts')

  const printed = await bench.capture('problems.ts')

  assert.equal(printed.map((line) => `${line}\n`).join(''), shown?.code)
})

test('server.ts allows the caller of the document, and follows the document without a restart', async () => {
  const running = await bench.start('server.ts', 'app')
  const events = await loadEvents()
  const coreApi = running.as(await bench.authority.issue(`${production}/core-api`))
  const mailer = running.as(await bench.authority.issue(`${production}/mailer`))
  const ask = async (): Promise<readonly number[]> => [
    (await coreApi.fetch('/invoices/1')).status,
    (await mailer.fetch('/invoices/1')).status,
  ]
  assert.deepEqual(await ask(), [200, 403])

  const code = documents.get('policies/billing.yaml') ?? ''
  replace('policies/billing.yaml', code.replaceAll('core-api', 'mailer'))
  await reported(events, 'loaded')
  assert.deepEqual(await ask(), [403, 200])

  replace('policies/billing.yaml', code.replace('ALLOW', 'PERMIT'))
  const { detail, code: reason } = await reported(events, 'refused')
  assert.equal(reason, 'document_invalid')
  assert.match(detail, /^billing\.yaml:4:\d+: policies\[0\]\.action: found 'PERMIT'/)
  assert.deepEqual(await ask(), [403, 200])

  replace('policies/billing.yaml', code)
  await Promise.all([reported(events, 'recovered'), reported(events, 'loaded')])
  assert.deepEqual(await ask(), [200, 403])
})

test('the commands of the page have answers', async () => {
  const [table] = page.blocks.filter(({ code }) => code.startsWith('# expected.yaml\n'))
  bench.write('expected.yaml', table?.code ?? '')
  const commands = page.blocks.filter(({ info, code }) => info === 'sh' && code.startsWith('npx countersign '))
  const lines = commands.flatMap(({ code }) => code.trimEnd().split('\n'))
  assert.equal(lines.length, 4)

  for (const line of lines) {
    const { exitCode, errors } = await runInProcess(line.split(' ').slice(2))
    assert.equal(exitCode, 0, `${line}: ${errors}`)
  }
  bench.write('expected.yaml', (table?.code ?? '').replace('expect: deny', 'expect: allow'))
  assert.equal((await runInProcess((lines[0] ?? '').split(' ').slice(2))).exitCode, 1)
})

test('the authorizer denies what the documents allow, and allows nothing else', async (context) => {
  const guard: unknown = read(await bench.load('grants.ts'), 'guard')
  assert.ok(isGuard(guard))
  const running = await serve(guard, (_request: unknown, response: { end(text: string): unknown }) => {
    response.end('served')
  })
  context.after(() => running.close())
  const ask = async (account: string, path: string): Promise<number> =>
    (await running.as(await bench.authority.issue(`${production}/${account}`)).fetch(path)).status

  assert.equal(await ask('core-api', '/invoices/17'), 200)
  assert.equal(await ask('core-api', '/invoices/18'), 403)
  assert.equal(await ask('mailer', '/invoices/17'), 403)
})

test('the data of the ConfigMap are valid documents, and the pod mounts it where policyFiles reads', () => {
  const [map, pod] = page.blocks.filter(({ code }) => /kind: ConfigMap|^spec:/m.test(code)).map(({ code }) => code)
  assert.ok(map !== undefined && pod !== undefined)
  const { metadata, data } = asConfigMap(parseYaml(map))

  assert.ok(Array.isArray(read(read(parseYaml(pod), 'spec'), 'volumes')))
  assert.ok(pod.includes(`configMap: { name: ${String(read(metadata, 'name'))} }`))
  for (const [name, text] of Object.entries(data)) {
    assert.deepEqual(parsePolicyDocument(String(text), { name }).problems, [])
  }
  const mounted = /mountPath: (\S+),/.exec(pod)?.[1] ?? ''
  assert.ok(page.text.includes(`Pass \`${mounted}\` to \`policyFiles\``))
})

test('the tables of fields list every field of the schema', () => {
  const schema = parseObject(readFileSync(join(root, 'packages/policy/schema.json'), 'utf8'))
  const fieldsOf = (name: string): readonly string[] =>
    Object.keys(asObject(read(read(read(schema, '$defs'), name), 'properties'))).toSorted()
  const listed = (part: string, head: string): readonly string[] => {
    const section = page.text.slice(page.text.indexOf(`### ${part}`))
    return readTable(section, head)
      .flatMap((cells) => cells.slice(0, head.includes('negative') ? 2 : 1))
      .filter((cell) => cell !== '')
      .map((cell) => cell.replaceAll('`', ''))
      .toSorted()
  }

  assert.deepEqual(listed('Policies', '| field |'), fieldsOf('policy'))
  assert.deepEqual(listed('Callers', '| field | negative form |'), fieldsOf('from'))
  assert.deepEqual(listed('Operations', '| field | negative form |'), fieldsOf('to'))
  assert.deepEqual(listed('Headers', '| field |'), fieldsOf('header'))
})

test('an audited document leaves the decision to the others, and the emergency document loads', async () => {
  for (const name of ['audited/partners.yaml', 'documents/emergency.yaml', 'documents/tenants.yaml']) {
    const source = await policyFiles(name)
    assert.equal(source.current.policies?.length, 1, name)
    await source.close()
  }
})

async function loadEvents(): Promise<readonly PolicyEvent[]> {
  const events: unknown = read(await bench.load('watch-policies.ts'), 'events')
  assert.ok(isEvents(events))
  return events
}

/** Waits for the next event with this outcome. */
async function reported(events: readonly PolicyEvent[], outcome: PolicyEvent['outcome']): Promise<PolicyEvent> {
  const seen = events.length
  for (;;) {
    const found = events.slice(seen).find((event) => event.outcome === outcome)
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

function replace(name: string, text: string): void {
  bench.write(`${name}.new`, text)
  renameSync(join(bench.folder, `${name}.new`), join(bench.folder, name))
}

function isEvents(value: unknown): value is readonly PolicyEvent[] {
  return Array.isArray(value)
}

function parseYaml(text: string): unknown {
  const document = parseDocument(text)
  assert.deepEqual(document.errors, [])
  return document.toJS()
}

function asConfigMap(value: unknown): { readonly metadata: unknown; readonly data: object } {
  const data = read(value, 'data')
  assert.ok(typeof data === 'object' && data !== null)
  return { metadata: read(value, 'metadata'), data }
}
