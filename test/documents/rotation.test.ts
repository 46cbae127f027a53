import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { EventEmitter, once } from 'node:events'
import { get, type Agent } from 'node:https'
import test, { after, before, type TestContext } from 'node:test'
import { channels, type CountersignEvent, createGuard, permitAll, type X509Source } from '@countersign/core'
import countersign from '@countersign/fastify'
import { serve, type Running } from '@countersign/testkit'
import Fastify from 'fastify'
import { readPage } from './page.ts'
import { asObject, isGuard, isSource, parseObject, read, readFunction } from './read.ts'
import { testBlocks, testPrinted } from './test-page.ts'
import { createWorkbench, production, type Workbench } from './workbench.ts'
import { admitNow } from '../support/admit-now.ts'

const page = readPage('docs/rotation.md')
const server = `${production}/billing`

let bench: Workbench
before(async () => {
  bench = await createWorkbench(page)
})
after(() => bench.close())

testBlocks(page, () => bench)
testPrinted(page, () => bench, ['health.ts'])

test('the probes answer without a certificate', async (context) => {
  const code = page.runnable.get('probes.ts')?.code ?? ''
  assert.ok(code.includes('port: 8081'))
  bench.write('free-probes.ts', code.replace('port: 8081', "port: 0, host: '127.0.0.1'"))
  const probes = asObject(read(await bench.load('free-probes.ts'), 'probes'))
  context.after(() => readFunction(probes, 'close').call(probes))

  const ask = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${String(read(probes, 'port'))}${path}`)
  assert.equal((await ask('/livez')).status, 200)
  assert.equal((await ask('/readyz')).status, 200)
  assert.equal((await ask('/')).status, 404)
})

test('the probes of the manifest match those of the program', () => {
  const manifest = page.blocks.find(({ info }) => info === 'yaml')?.code ?? ''
  const program = page.runnable.get('probes.ts')?.code ?? ''
  for (const shown of ['8081', '/livez', '/readyz']) {
    assert.ok(manifest.includes(shown) && program.includes(shown), shown)
  }
})

test('a certificate with less than a fifth of its lifetime left is reported as the page shows', async () => {
  const shown = parseObject(page.blocks.find(({ info }) => info === 'json')?.code ?? '')
  const now = Date.now()
  const svid = await bench.authority.issue(`${production}/billing`, { notBefore: now - 9_000_000, ttlSeconds: 1000 })
  const source = await bench.authority.source(`${production}/billing`, { svid })
  const [event] = await listen(channels.source, async () => {
    await using _ = await start(source)
  }).then((events) => events.filter(({ outcome }) => outcome === 'expiring'))
  const told = { name: 'countersign', ...event }

  assert.deepEqual(Object.keys(told), Object.keys(shown))
  const varying = { at: 0, expiresAt: 0, detail: '' }
  assert.deepEqual({ ...told, ...varying }, { ...shown, ...varying })
  const withoutDate = (detail: unknown): string => String(detail).replace(/\d{4}-\S+Z/, '')
  assert.equal(withoutDate(read(told, 'detail')), withoutDate(read(shown, 'detail')))
})

test('a caller presents its new certificate after the rotation, with https and undici', async (context) => {
  const source = await bench.authority.source(`${production}/core-api`)
  const running = await startClosed(context)
  const { agent, fetchUrl } = await createClients(context, source, [`${production}/billing`])
  const callBoth = async (): Promise<readonly unknown[]> => [
    await statusOf(running.url, agent),
    read(await fetchUrl(running.url), 'status'),
  ]
  const next = await bench.authority.issue(`${production}/core-api`)
  const serials = await listen(channels.authentication, async () => {
    assert.deepEqual(await callBoth(), [200, 200])
    source.replace({ svid: next })
    assert.deepEqual(await callBoth(), [200, 200])
  }).then((events) => events.filter((event) => !('server' in event)).map((event) => read(event, 'serialNumber')))

  assert.equal(serials.length, 4)
  assert.notEqual(serials[0], next.serialNumber)
  assert.deepEqual([serials[0], serials[3]], [serials[1], serials[2]])
  assert.equal(serials[3], next.serialNumber)
})

test('a caller accepts no other server of the same trust domain', async (context) => {
  const source = await bench.authority.source(`${production}/core-api`)
  const running = await startClosed(context)
  const { agent, fetchUrl } = await createClients(context, source, [`${production}/invoices`])

  await assert.rejects(fetchUrl(running.url), { code: 'server_unexpected' })
  await assert.rejects(statusOf(running.url, agent), { code: 'server_unexpected' })
})

test('a custom source accepts matching material and otherwise keeps what it has', async () => {
  const first = await bench.authority.issue(`${production}/billing`)
  const next = await bench.authority.issue(`${production}/billing`)
  const bundles = { 'saas.example': bench.authority.bundlePem }
  const inputs = [
    { key: first.keyPem, cert: first.certificatePem, bundles },
    { key: first.keyPem, cert: next.certificatePem, bundles },
    { key: next.keyPem, cert: next.certificatePem, bundles },
  ]
  const openSource = readFunction(await bench.load('own-source.ts'), 'openSource')
  const opened = await openSource(() => Promise.resolve(inputs.shift()))
  const source = read(opened, 'source')
  const renew = readFunction(opened, 'renew')
  assert.ok(isSource(source))

  await assert.rejects(Promise.resolve(renew()), { code: 'key_mismatch' })
  assert.equal(source.current.svid.serialNumber, first.serialNumber)
  await renew()
  assert.equal(source.current.svid.serialNumber, next.serialNumber)
})

for (const [name, deadline, outcome] of [
  ['shut-down.ts', '20_000', 200],
  ['shut-down-soon.ts', '100', 'cut'],
] as const) {
  test(`a shutdown with a deadline of ${deadline} ms leaves a running request ${outcome}`, async () => {
    const code = page.runnable.get('shut-down.ts')?.code ?? ''
    assert.ok(code.includes('20_000'))
    bench.write(name, code.replace('20_000', deadline))
    const shutDown = readFunction(await bench.load(name), 'shutDown')
    const source = await bench.authority.source(server)
    const guard = createGuard({ source, rules: [{ path: '/**', allow: permitAll() }], log: () => undefined })
    const app = Fastify({ https: guard.tlsOptions() })
    await app.register(countersign, { guard })
    const arrivals = new EventEmitter()
    app.get('/', async () => {
      const answered = once(arrivals, 'answer')
      arrivals.emit('request')
      await answered
      return 'answered'
    })
    await using running = await serve(guard, app)
    const arrived = once(arrivals, 'request')
    const peer = running.as(await bench.authority.issue(`${production}/core-api`))
    const response = peer.fetch('/').then(
      ({ status }) => status,
      () => 'cut',
    )
    await arrived

    const down = shutDown(app, source)
    if (outcome === 200) arrivals.emit('answer')
    assert.equal(await response, outcome)
    await down
    assert.throws(() => source.current, { code: 'source_closed' })
  })
}

function start(source: X509Source): Promise<Running> {
  const guard = createGuard({ source, rules: [{ path: '/**', allow: permitAll() }], log: () => undefined })
  return serve(guard, (request, response) => {
    assert.ok(isGuard(guard))
    response.statusCode = 'name' in admitNow(guard, request) ? 200 : 403
    response.end()
  })
}

async function startClosed(context: TestContext): Promise<Running> {
  const running = await start(await bench.authority.source(server))
  context.after(() => running.close())
  return running
}

async function createClients(
  context: TestContext,
  source: X509Source,
  servers: readonly string[],
): Promise<{ readonly agent: Agent; readonly fetchUrl: (url: string) => Promise<unknown> }> {
  const clients = readFunction(await bench.load('clients.ts'), 'createClients')(source, servers)
  const agent = read(clients, 'agent')
  assert.ok(isAgent(agent))
  const fetchUrl = readFunction(clients, 'fetch')
  const close: unknown = Reflect.get(fetchUrl, 'close')
  assert.ok(typeof close === 'function')
  context.after((): unknown => {
    agent.destroy()
    return Reflect.apply(close, undefined, [])
  })
  return { agent, fetchUrl: (url) => Promise.resolve(fetchUrl(url)) }
}

async function statusOf(url: string, agent: Agent): Promise<number | undefined> {
  const request = get(url, { agent })
  const received: readonly unknown[] = await once(request, 'response')
  const [response] = received
  readFunction(response, 'resume').call(response)
  return Number(read(response, 'statusCode'))
}

async function listen(
  channel: string,
  run: () => Promise<void>,
): Promise<readonly (CountersignEvent & { outcome?: string })[]> {
  const events: CountersignEvent[] = []
  const note = (event: unknown): void => void (isEvent(event) && events.push(event))
  subscribe(channel, note)
  try {
    await run()
  } finally {
    unsubscribe(channel, note)
  }
  return events
}

function isEvent(value: unknown): value is CountersignEvent {
  return typeof value === 'object' && value !== null && 'type' in value
}

function isAgent(value: unknown): value is Agent {
  return typeof value === 'object' && value !== null && 'freeSockets' in value
}
