import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { channels, type Guard, type SourceNotice, type X509Material } from '@countersign/core'
import { waitForEvent } from './wait-for-event.ts'
import { readPage, root } from './page.ts'
import { asObject, isGuard, isSource, parseObject, read, readFunction } from './read.ts'
import { testBlocks, testPrinted } from './test-page.ts'
import { createWorkbench, production, type Workbench } from './workbench.ts'

const page = readPage('README.md')
const { text: readme, blocks, runnable } = page

let bench: Workbench
before(async () => {
  bench = await createWorkbench(page)
})
after(() => bench.close())

testBlocks(page, () => bench)
testPrinted(page, () => bench, ['rules.ts', 'watch.ts', 'app.test.ts', 'mtls.test.ts'])

test('the Fastify service lets in whom its rules and routes name', async () => {
  const running = await bench.start('server.ts', 'app')

  const coreApi = running.as(await bench.authority.issue(`${production}/core-api`))
  const analytics = running.as(await bench.authority.issue(`${production}/analytics`))
  const invoices = await coreApi.fetch('/internal/billing/invoices')
  assert.deepEqual(await invoices.json(), { invoices: [], askedBy: `${production}/core-api` })
  assert.equal((await coreApi.fetch('/internal/analytics/data')).status, 200)
  assert.equal((await analytics.fetch('/internal/analytics/data')).status, 200)
  assert.equal((await analytics.fetch('/internal/billing/invoices')).status, 403)
  assert.equal((await coreApi.fetch('/internal/refunds', { method: 'POST' })).status, 200)
  assert.equal((await analytics.fetch('/internal/refunds', { method: 'POST' })).status, 403)
  assert.equal((await coreApi.fetch('/uncovered')).status, 403)
  await assert.rejects(running.as(null).fetch('/internal/analytics/data'))
})

test('the Fastify service refuses the start for a route that no rule covers', async () => {
  const createApp = readFunction(await bench.load('app.ts'), 'createApp')
  const app = read(await createApp(await bench.authority.source(`${production}/billing`)), 'app')
  const [get, ready] = [readFunction(app, 'get').bind(app), readFunction(app, 'ready').bind(app)]

  get('/forgotten', () => 'reached')
  await assert.rejects(
    async () => {
      await ready()
    },
    { code: 'route_uncovered' },
  )
})

test('the Express service lets in whom its rules and routes name', async () => {
  const running = await bench.start('express-server.ts', 'server')

  const coreApi = running.as(await bench.authority.issue(`${production}/core-api`))
  const analytics = running.as(await bench.authority.issue(`${production}/analytics`))
  const invoices = await coreApi.fetch('/internal/billing/invoices')
  assert.deepEqual(await invoices.json(), { invoices: [], askedBy: `${production}/core-api` })
  assert.equal((await analytics.fetch('/internal/billing/invoices')).status, 403)
  assert.equal((await coreApi.fetch('/internal/refunds', { method: 'POST' })).status, 200)
  assert.equal((await analytics.fetch('/internal/refunds', { method: 'POST' })).status, 403)
  assert.equal((await coreApi.fetch('/uncovered')).status, 403)
  await assert.rejects(running.as(null).fetch('/internal/refunds', { method: 'POST' }))
})

test('an explanation is printed as the page shows it', async () => {
  await bench.capture('rules.ts')
  const shown = blocks.find(({ info }) => info === 'text printed by explain.ts')

  const [printed, ...more] = await bench.capture('explain.ts')

  assert.deepEqual(more, [])
  assert.equal(`${printed}\n`, shown?.code)
})

test('every requirement function is in the rules of the page', () => {
  const index = readFileSync(join(root, 'packages/authorization/src/index.ts'), 'utf8')
  const [, exported = ''] = /export \{([^}]*)\} from '.\/requirement.ts'/.exec(index) ?? []
  const names = exported
    .split(',')
    .map((name) => name.trim())
    .filter((name) => /^[a-z]\w+$/.test(name))
  const rules = runnable.get('rules.ts')?.code ?? ''

  assert.ok(names.includes('hasAuthority'))
  const missing = names.filter((name) => !rules.includes(`allow: ${name}(`) && !rules.includes(` ${name}(`))
  // Only Fastify tells its routes, so this one stands in the text behind the block.
  assert.deepEqual(missing, ['perRoute'])
  assert.ok(readme.includes('allow: perRoute()'))
})

test('the comments between the rules are true', async () => {
  await bench.capture('rules.ts')
  const guard = await loadGuard()
  const expected: readonly (readonly [caller: string, path: string, effect: 'allow' | 'deny'])[] = [
    ['production/sa/core-api', '/reports', 'allow'],
    ['production/sa/analytics', '/reports/1', 'allow'],
    ['production/sa/support', '/reports', 'deny'],
    ['production/sa/core-api', '/ledger', 'allow'],
    ['production/sa/analytics', '/ledger', 'deny'],
    ['production/sa/scheduler', '/jobs/7/log', 'allow'],
    ['production/sa/core-api', '/jobs/7/log', 'deny'],
    ['production/sa/core-api', '/jobs/7', 'allow'],
    ['production/sa/support', '/refunds', 'allow'],
    ['staging/sa/support', '/refunds', 'deny'],
    ['batch/sa/scheduler', '/catalogue/1', 'allow'],
    ['audit/sa/archive', '/exports', 'allow'],
    ['production/sa/exporter', '/exports', 'allow'],
    ['production/sa/core-api', '/exports', 'deny'],
    ['production/sa/core-api', '/tenants/1', 'deny'],
    ['batch/sa/scheduler', '/status', 'allow'],
    ['batch/sa/scheduler', '/docs/a/b', 'allow'],
    ['production/sa/core-api', '/', 'deny'],
  ]
  for (const [caller, path, effect] of expected) {
    const question = { caller: `spiffe://saas.example/ns/${caller}`, method: 'GET', path }
    assert.equal(guard.explain(question).decision.effect, effect, `${caller} on ${path}`)
  }
  const headers = { 'x-tenant': '7' }
  const named = guard.explain({ caller: `${production}/core-api`, method: 'GET', path: '/tenants/1', headers })
  assert.equal(named.decision.effect, 'allow')
})

test('SPIFFE IDs give the authorities that the table says', async () => {
  await bench.capture('rules.ts')
  const guard = await loadGuard()
  const rows = [...readme.matchAll(/^\| `(spiffe:[^`]+)` \| (.*) \|$/gm)]

  assert.equal(rows.length, 4)
  for (const [, caller = '', text = ''] of rows) {
    const listed = [...text.matchAll(/`([A-Z]+_[^`]+)`/g)].map(([, name]) => name)
    const [, layer] = guard.explain({ caller, method: 'GET', path: '/' }).layers
    const found = /its authorities: (.*)$/.exec(layer?.because ?? '')?.[1] ?? 'none'
    assert.deepEqual(found === 'none' ? [] : found.split(', '), listed, caller)
  }
})

test('the targets that the page says are refused are refused with 400', async () => {
  await bench.capture('rules.ts')
  const guard = await loadGuard()
  const [, row = ''] = /^\| (`\/\/x`.*?) \| 400 \|/m.exec(readme) ?? []
  const targets = [...row.matchAll(/`([^`]+)`/g)].map(([, target = '']) =>
    target.startsWith('/') ? target : `/a${target}b`,
  )

  assert.ok(targets.length >= 6)
  for (const path of [...targets, 'https://saas.example/status', '/%zz']) {
    const { decision } = guard.explain({ caller: `${production}/core-api`, method: 'GET', path })
    assert.equal(decision.effect === 'deny' && decision.status, 400, path)
  }
})

test('the answer and the log line of a denial are what the page shows', async () => {
  const [shownAnswer, shownLine] = blocks.filter(({ info }) => info === 'json').map(({ code }) => parseObject(code))
  const running = await bench.start('server.ts', 'app')
  const events: unknown[] = []
  const listen = (event: unknown): void => void events.push(event)
  subscribe(channels.denial, listen)

  const analytics = running.as(await bench.authority.issue(`${production}/analytics`))
  const response = await analytics.fetch('/internal/billing/invoices')

  unsubscribe(channels.denial, listen)
  const answer: unknown = await response.json()
  const [event] = events
  const id = read(event, 'id')
  assert.match(response.headers.get('content-type') ?? '', /^application\/problem\+json/)
  assert.equal(read(answer, 'instance'), `urn:uuid:${String(id)}`, 'the caller is told the id that the operator finds')
  assert.equal(read(shownAnswer, 'instance'), `urn:uuid:${String(read(shownLine, 'id'))}`)
  assert.deepEqual({ ...asObject(answer), instance: '' }, { ...shownAnswer, instance: '' })
  const varying = { name: 'countersign', at: 0, id: '', remoteAddress: '' }
  assert.deepEqual({ ...asObject(event), ...varying }, { ...shownLine, ...varying })
  assert.deepEqual(Object.keys({ name: '', ...asObject(event) }).toSorted(), Object.keys(shownLine ?? {}).toSorted())
})

test('source.ts takes new files, and keeps what it has while they do not fit together', async () => {
  const source = read(await bench.load('source.ts'), 'source')
  assert.ok(isSource(source))
  const next = await bench.authority.issue(`${production}/billing`)

  bench.write('svid.0.pem', next.certificatePem)
  await waitForEvent<SourceNotice>(
    (listener) => source.onNotice?.(listener),
    ({ code }) => code === 'key_mismatch',
  )
  assert.notEqual(source.current.svid.serialNumber, next.serialNumber)
  bench.write('svid.0.key', next.keyPem)
  await waitForEvent<X509Material>(
    (listener) => source.onUpdate(listener),
    ({ svid }) => svid.serialNumber === next.serialNumber,
  )
  assert.equal(source.current.svid.serialNumber, next.serialNumber)
})

test('watch.ts counts denials by their reason', async () => {
  const counts = read(await bench.load('watch.ts'), 'counts')
  assert.ok(counts instanceof Map)
  const earlier = Number(counts.get('authority_missing') ?? 0)
  await bench.load('app.test.ts?again')

  assert.equal(counts.get('authority_missing'), earlier + 1)
})

async function loadGuard(): Promise<Guard> {
  const guard = read(await bench.load('rules.ts'), 'guard')
  assert.ok(isGuard(guard))
  return guard
}
