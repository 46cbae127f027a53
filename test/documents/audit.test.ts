import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { mkdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { channels, type Guard, type ModeEvent, type PolicyEvent } from '@countersign/core'
import { parsePolicyDocument, policyWarnings } from '@countersign/policy'
import { type Running, serve } from '@countersign/testkit'
import { runInProcess } from '../cli/run-in-process.ts'
import { applyDiff } from './diff-block.ts'
import { readPage } from './page.ts'
import { isGuard, read, readFunction } from './read.ts'
import { testBlocks } from './test-page.ts'
import { createWorkbench, production, type Workbench } from './workbench.ts'
import { waitUntil } from '../support/wait-until.ts'

const page = readPage('docs/audit.md')
const documents = new Map(
  page.blocks
    .filter(({ info }) => info === 'yaml')
    .map(({ code }) => [/^# (\S+)\n/.exec(code)?.[1] ?? '', code] as const),
)
const [partners, rules] = ['policies/partners.yaml', 'policies/rules.yaml'] as const

let bench: Workbench
let guard: Guard
let running: Running
const events: (PolicyEvent | ModeEvent)[] = []
const note = (event: unknown): void => {
  if (isEvent(event)) events.push(event)
}
before(async () => {
  bench = await createWorkbench(page)
  bench.borrow(readPage('docs/operating.md'), 'source.ts')
  mkdirSync(join(bench.folder, 'policies'))
  bench.write(rules, documents.get(rules) ?? '')
  for (const channel of [channels.policy, channels.mode]) subscribe(channel, note)
  const loaded: unknown = read(await bench.load('guard.ts'), 'guard')
  assert.ok(isGuard(loaded))
  guard = loaded
  running = await serve(guard, (_request: unknown, response: { end(text: string): unknown }) => {
    response.end('served')
  })
})
after(async () => {
  for (const channel of [channels.policy, channels.mode]) unsubscribe(channel, note)
  await running.close()
  const decisions = read(await bench.load('guard.ts'), 'decisions')
  await readFunction(decisions, 'close').call(decisions)
  const source = read(await bench.load('source.ts'), 'source')
  await readFunction(source, 'close').call(source)
  await bench.close()
})

testBlocks(page, () => bench)

test('each document on the page is valid, and none has a warning', () => {
  assert.deepEqual([...documents.keys()], [partners, rules])
  for (const [name, code] of documents) {
    const document = parsePolicyDocument(code, { name })
    assert.deepEqual(document.problems, [])
    assert.deepEqual(policyWarnings(document, { now: Date.parse('2026-12-01T00:00:00Z') }), [])
  }
})

test('the steps of the page lead from a log to an enforced policy', async () => {
  const reports = running.as(await bench.authority.issue(`${production}/reports`))
  const billing = running.as(await bench.authority.issue(`${production}/billing`))
  const ask = async (peer: typeof reports): Promise<number> => (await peer.fetch('/ledger/2026')).status

  // Step 1.
  assert.deepEqual([await ask(reports), await ask(billing)], [200, 200])
  await logged(/"effect"/g, 2)

  // Step 2.
  mkdirSync('next')
  const [diff] = page.blocks.filter(({ info }) => info === 'diff')
  assert.ok(diff !== undefined)
  const enforced = applyDiff(diff, documents).get(partners) ?? ''
  bench.write('next/partners.yaml', enforced)
  bench.write('next/rules.yaml', documents.get(rules) ?? '')
  const [check, replay, matrix, ...further] = page.blocks
    .filter(({ info }) => info === 'sh')
    .flatMap(({ code }) => code.trimEnd().split('\n'))
    .map((line) => line.split(' ').slice(2))
  assert.ok(check !== undefined && replay !== undefined && matrix !== undefined && further.length === 0)
  assert.equal((await runInProcess(check)).exitCode, 0)
  const { exitCode, output, errors } = await runInProcess(replay)
  assert.equal(errors, '')
  assert.equal(exitCode, 1)
  assert.equal(output, findShown('text printed by countersign policy diff'))

  // Step 3.
  await replace(inAnHour(documents.get(partners) ?? ''))
  await waitUntil(() => events.some((event) => event.type === 'mode'))
  const started = events.find((event) => event.type === 'mode')
  assert.deepEqual([started?.outcome, started?.policy], ['started', 'only billing reads the ledger'])

  // Step 4.
  assert.deepEqual([await ask(reports), await ask(reports), await ask(billing)], [200, 200, 200])
  const printed = await bench.capture('report.ts')
  assert.equal(withoutNumbers(printed.join('\n')), withoutNumbers(findShown('json printed by report.ts')))
  await logged(/"wouldBe"/g, 2)
  assert.equal(`${(await bench.capture('would-be.ts')).join('\n')}\n`, findShown('text printed by would-be.ts'))

  // Step 6.
  await replace(enforced)
  assert.deepEqual([await ask(reports), await ask(billing)], [403, 200])

  // Undone: the same documents have the same revision.
  const revision = events.findLast((event) => event.type === 'policy')?.revision
  await replace(inAnHour(documents.get(partners) ?? ''))
  assert.equal(await ask(reports), 200)
  await replace(enforced)
  assert.equal(events.findLast((event) => event.type === 'policy')?.revision, revision)
  assert.equal((await runInProcess(matrix)).exitCode, 0)
  assert.match(readFileSync('matrix.html', 'utf8'), /unused/)
})

/** Waits until the log, which no request waits for, contains this so many times. */
async function logged(pattern: RegExp, count: number): Promise<void> {
  await waitUntil(() => (readFileSync('decisions.jsonl', 'utf8').match(pattern) ?? []).length >= count)
}

/** Replaces the audited document, and waits until it decides. */
async function replace(text: string): Promise<void> {
  const seen = events.length
  bench.write('policies/.new', text)
  renameSync('policies/.new', partners)
  await waitUntil(() => events.slice(seen).some((event) => event.type === 'policy' && event.outcome === 'loaded'))
}

/** The date on the page will be over one day. */
function inAnHour(text: string): string {
  return text.replace(/until: '[^']*'/, `until: '${new Date(Date.now() + 3_600_000).toISOString()}'`)
}

function findShown(info: string): string {
  return page.blocks.find((block) => block.info === info)?.code ?? ''
}

function withoutNumbers(report: string): string {
  return report.replaceAll(/\d{13}|[0-9a-f]{8}-[0-9a-f-]{27}/g, '<value>').trim()
}

function isEvent(value: unknown): value is PolicyEvent | ModeEvent {
  return typeof value === 'object' && value !== null && 'outcome' in value
}
