import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { authenticated, createGuard, type Probe } from '@countersign/core'
import { createAuthority, type TestSource } from '@countersign/testkit'

const authority = await createAuthority('saas.example')

interface Listening {
  readonly source: TestSource
  readonly port: number
}

async function listen(context: TestContext, readyz: Probe): Promise<Listening> {
  const source = await authority.source('spiffe://saas.example/ns/production/sa/billing')
  const guard = createGuard({ source, rules: [{ path: '/**', allow: authenticated() }], log: () => undefined })
  const paths: Record<string, Probe> = { '/livez': 'live', '/readyz': readyz }
  const listener = await guard.probeListener({ port: 0, host: '127.0.0.1', paths })
  context.after(() => listener.close())
  return { source, port: listener.port }
}

interface Client {
  readonly socket: Socket
  /** Everything received until the other end closed. */
  readonly received: Promise<string>
}

async function open(context: TestContext, port: number, localAddress = '127.0.0.1'): Promise<Client> {
  const socket = connect({ port, host: '127.0.0.1', localAddress }).setEncoding('latin1')
  context.after(() => socket.destroy())
  let text = ''
  socket.on('data', (chunk: string) => (text += chunk)).on('error', () => undefined)
  const received = once(socket, 'close').then(() => text)
  await once(socket, 'connect')
  return { socket, received }
}

async function openMany(context: TestContext, port: number, count: number, first = ''): Promise<readonly Client[]> {
  const clients = await Promise.all(Array.from({ length: count }, () => open(context, port)))
  for (const { socket } of clients) if (first !== '') socket.write(first, 'latin1')
  return clients
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: probe\r\n\r\n`

async function ask(context: TestContext, port: number, path: string): Promise<number> {
  const { socket, received } = await open(context, port)
  socket.write(get(path))
  return statusOf(await received)
}

function statusOf(received: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(received)?.[1] ?? 0)
}

/** A check that finishes on demand. */
function createSlowCheck(): { readonly check: () => Promise<boolean>; readonly runs: ((isFine: boolean) => void)[] } {
  const runs: ((isFine: boolean) => void)[] = []
  return { check: () => new Promise((resolve) => void runs.push(resolve)), runs }
}

test('answers a connected liveness probe although 100 clients wait for a slow readiness check', async (context) => {
  const { check } = createSlowCheck()
  const { port } = await listen(context, check)
  const kubelet = await open(context, port)
  await openMany(context, port, 100, get('/readyz'))
  assert.equal(await ask(context, port, '/livez'), 200)
  kubelet.socket.write(get('/livez'))
  assert.equal(statusOf(await kubelet.received), 200)
})

test('answers every liveness probe while 70 clients keep requesting a slow readiness check', async (context) => {
  const { check, runs } = createSlowCheck()
  const { port } = await listen(context, check)
  const over = new AbortController()
  const flood = Array.from({ length: 70 }, async () => {
    while (!over.signal.aborted) await ask(context, port, '/readyz')
  })
  for (let count = 0; count < 15; count += 1) {
    assert.equal(await ask(context, port, '/livez'), 200)
    runs.at(-1)?.(true)
  }
  over.abort()
  const release = setInterval(() => runs.at(-1)?.(true), 5)
  await Promise.all(flood)
  clearInterval(release)
})

for (const [what, first] of [
  ['say nothing', ''],
  ['never finish their request', 'GET /livez HTTP/1.1\r\nHost: probe\r\nX: '],
  ['send garbage', '\x16\x03\x01\xff\x00\r\n\r\n\0'],
  ['never send the body that they announce', 'POST /readyz HTTP/1.1\r\nHost: probe\r\nContent-Length: 9\r\n\r\n'],
  ['ask for other paths', get('/elsewhere')],
] as const) {
  test(`answers liveness and readiness beside 300 clients that ${what}`, async (context) => {
    const { port } = await listen(context, () => true)
    await openMany(context, port, 300, first)
    assert.deepEqual([await ask(context, port, '/livez'), await ask(context, port, '/readyz')], [200, 200])
  })
}

test('answers a client that has half-closed, and closes one that closed without a request', async (context) => {
  const { port } = await listen(context, () => true)
  const [asks, asksNothing] = [await open(context, port), await open(context, port)]
  asks.socket.end(get('/livez'))
  asksNothing.socket.end()
  assert.deepEqual([statusOf(await asks.received), await asksNothing.received], [200, ''])
})

const isLinux = process.platform === 'linux'

test('one client with many connections displaces none of another', { skip: !isLinux }, async (context) => {
  const { port } = await listen(context, () => true)
  const kubelet = await open(context, port, '127.0.0.2')
  const others = await openMany(context, port, 150)
  await Promise.race(others.map(({ received }) => received))
  kubelet.socket.write(get('/livez'))
  assert.equal(statusOf(await kubelet.received), 200)
})

test('with more waiting clients than the limit, the first receive the last result and the others the next', async (context) => {
  const { check, runs } = createSlowCheck()
  const { port } = await listen(context, check)
  const before = await open(context, port)
  before.socket.write(get('/readyz'))
  while (runs.length === 0) await new Promise(setImmediate)
  runs[0]?.(true)
  assert.equal(statusOf(await before.received), 200)

  const clients = await openMany(context, port, 300, get('/readyz'))
  const answered: string[] = []
  for (const { received } of clients) void received.then((text) => answered.push(text))
  while (answered.length < 300 - 256) await new Promise(setImmediate)
  assert.equal(await ask(context, port, '/livez'), 200)
  assert.equal(runs.length, 2)
  runs[1]?.(false)
  const statuses = await Promise.all(clients.map(async ({ received }) => statusOf(await received)))
  assert.equal(statuses.filter((status) => status === 200).length, 300 - 256)
  assert.equal(statuses.filter((status) => status === 503).length, 256)
})

test('a client that disconnects frees its place among those waiting', async (context) => {
  const { check, runs } = createSlowCheck()
  const { port } = await listen(context, check)
  const leaving = await openMany(context, port, 200, get('/readyz'))
  while (runs.length === 0) await new Promise(setImmediate)
  for (const { socket } of leaving) socket.destroy()
  await ask(context, port, '/livez')
  const staying = await openMany(context, port, 200, get('/readyz'))
  await ask(context, port, '/livez')
  runs[0]?.(true)
  const statuses = await Promise.all(staying.map(async ({ received }) => statusOf(await received)))
  assert.deepEqual(new Set(statuses), new Set([200]))
})

test("calls the application's check at most ten times a second, however many requests arrive", async (context) => {
  let runs = 0
  const { port } = await listen(context, () => (runs += 1) > 0)
  const began = performance.now()
  for (let count = 0; count < 200; count += 1) assert.equal(await ask(context, port, '/readyz'), 200)
  const seconds = Math.ceil((performance.now() - began) / 1000)
  assert.ok(runs <= 10 * (seconds + 1), `${runs} runs in ${seconds} s`)
})

test('is not ready if the source loses its certificate while the check runs', async (context) => {
  const { check, runs } = createSlowCheck()
  const { source, port } = await listen(context, check)
  const client = await open(context, port)
  client.socket.write(get('/readyz'))
  while (runs.length === 0) await new Promise(setImmediate)
  source.withdraw()
  runs[0]?.(true)
  assert.equal(statusOf(await client.received), 503)
})

test('answers every request that arrived while the process was busy, even with more new connections than may stay silent', async (context) => {
  const { port } = await listen(context, () => true)
  const clients = await openMany(context, port, 70)
  // The connection is accepted now, and counts as silent.
  await new Promise((resolve) => setTimeout(resolve, 20))
  // After this phase of the event loop, timers fire before anything is read.
  await new Promise(setImmediate)
  for (const { socket } of clients) socket.write(get('/livez'))
  // Longer than a silent connection may stay.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400)
  const statuses = await Promise.all(clients.map(async ({ received }) => statusOf(await received)))
  assert.deepEqual(new Set(statuses), new Set([200]))
})
