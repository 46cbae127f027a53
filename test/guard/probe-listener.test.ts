import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test, type TestContext } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { authenticated, createGuard, type Guard, type Probe } from '@countersign/core'
import { createAuthority, type TestSource } from '@countersign/testkit'
import { spawnProgram } from './spawn-program.ts'

const authority = await createAuthority('saas.example')

interface Service {
  readonly source: TestSource
  readonly guard: Guard
  readonly port: number
}

async function start(
  context: TestContext,
  paths: readonly string[] | Readonly<Record<string, Probe>> = ['/readyz'],
): Promise<Service> {
  const source = await authority.source('spiffe://saas.example/ns/production/sa/billing')
  const guard = createGuard({ source, rules: [{ path: '/**', allow: authenticated() }], log: () => undefined })
  const listener = await guard.probeListener({ port: 0, host: '127.0.0.1', paths })
  context.after(() => listener.close())
  return { source, guard, port: listener.port }
}

/** Sends bytes and returns everything received until the other end closes. */
async function exchange(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1')
  let received = ''
  socket.on('data', (chunk: string) => (received += chunk)).on('error', () => undefined)
  socket.write(text, 'latin1')
  await once(socket, 'close')
  return received
}

const get = (target: string, method = 'GET'): string => `${method} ${target} HTTP/1.1\r\nHost: probe\r\n\r\n`

function read(received: string): readonly [status: number, body: string] {
  const [, status = '0'] = /^HTTP\/1\.1 (\d{3})/.exec(received) ?? []
  return [Number(status), received.split('\r\n\r\n')[1] ?? '']
}

const ready = '{"status":"ready"}'
const unready = '{"status":"unready"}'
const live = '{"status":"live"}'

test('reports ready while the guard serves, unready while the source has no material, and ready again afterwards', async (context) => {
  const { source, port } = await start(context)
  assert.deepEqual(read(await exchange(port, get('/readyz'))), [200, ready])
  source.withdraw()
  assert.deepEqual(read(await exchange(port, get('/readyz'))), [503, unready])
  source.replace({})
  assert.deepEqual(read(await exchange(port, get('/readyz'))), [200, ready])
})

test('reports live while the process responds, whatever the state of the source', async (context) => {
  const { source, port } = await start(context, { '/livez': 'live', '/readyz': 'ready' })
  source.withdraw()
  assert.deepEqual(read(await exchange(port, get('/livez'))), [200, live])
  assert.deepEqual(read(await exchange(port, get('/readyz'))), [503, unready])
})

test('returns one word, nothing about the certificate, and forbids caching', async (context) => {
  const { port } = await start(context)
  const received = await exchange(port, get('/readyz?verbose'))
  const names = [...received.matchAll(/^([a-z-]+):/gim)].map(([, name = '']) => name.toLowerCase()).toSorted()
  assert.deepEqual(names, ['cache-control', 'connection', 'content-length', 'content-type', 'date'])
  assert.match(received, /^cache-control: no-store\r$/im)
  assert.match(received, /^connection: close\r$/im)
  assert.ok(received.endsWith(`\r\n\r\n${ready}`))
})

test('answers HEAD like GET, without the body', async (context) => {
  const { port } = await start(context)
  const received = await exchange(port, get('/readyz', 'HEAD'))
  assert.deepEqual(read(received), [200, ''])
  assert.match(received, new RegExp(`^content-length: ${ready.length}\r$`, 'im'))
})

for (const target of [
  '/',
  '/ready',
  '/readyz/',
  '//readyz',
  '/./readyz',
  '/x/../readyz',
  '/READYZ',
  '/%72eadyz',
  '/readyz%2f',
  '/readyz;x',
  '/readyz#x',
  'http://probe/readyz',
  '*',
  '/__proto__',
]) {
  test(`answers only 404 for ${target}`, async (context) => {
    const { port } = await start(context)
    const method = target === '*' ? 'OPTIONS' : 'GET'
    assert.deepEqual(read(await exchange(port, get(target, method))), [404, ''])
  })
}

for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND']) {
  test(`answers 405 for ${method} and names the allowed methods`, async (context) => {
    const { port } = await start(context)
    const received = await exchange(port, get('/readyz', method))
    assert.deepEqual(read(received), [405, ''])
    assert.match(received, /^allow: GET, HEAD\r$/im)
    assert.deepEqual(read(await exchange(port, get('/elsewhere', method))), [404, ''])
  })
}

test('refuses protocol upgrades', async (context) => {
  const { port } = await start(context)
  const upgrade = 'GET /readyz HTTP/1.1\r\nHost: probe\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
  assert.deepEqual(read(await exchange(port, upgrade)), [200, ready])
  assert.equal(await exchange(port, 'CONNECT other:1 HTTP/1.1\r\nHost: other:1\r\n\r\n'), '')
  assert.notEqual(read(await exchange(port, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'))[0], 200)
})

test('answers immediately whatever Expect header is sent', async (context) => {
  const { port } = await start(context)
  for (const expected of ['100-continue', 'tea']) {
    const request = `POST /readyz HTTP/1.1\r\nHost: probe\r\nContent-Length: 9\r\nExpect: ${expected}\r\n\r\n`
    assert.deepEqual(read(await exchange(port, request)), [405, ''])
  }
})

test("answers one request per connection, and calls the application's check for that one only", async (context) => {
  let asked = 0
  const check = (): Promise<boolean> => {
    asked += 1
    return Promise.resolve(true)
  }
  const { port } = await start(context, { '/readyz': check })
  const received = await exchange(port, get('/readyz').repeat(50))
  assert.equal(received.match(/HTTP\/1\.1/g)?.length, 1)
  assert.deepEqual(read(received), [200, ready])
  assert.equal(asked, 1)
})

test('refuses headers beyond 4 KiB, and input that is not HTTP', async (context) => {
  const { port } = await start(context)
  const huge = `GET /readyz HTTP/1.1\r\nHost: probe\r\nX: ${'x'.repeat(5000)}\r\n\r\n`
  assert.equal(read(await exchange(port, huge))[0], 431)
  assert.equal(read(await exchange(port, 'nonsense\r\n\r\n'))[0], 400)
  assert.equal(read(await exchange(port, 'GET /readyz HTTP/1.1\r\n\r\n'))[0], 400)
})

test('closes a connection that starts with TLS', async (context) => {
  const { port } = await start(context)
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
  await assert.rejects(once(socket, 'secureConnect'))
})

test('closes connections that send nothing or never finish', async (context) => {
  const { port } = await start(context)
  const [silent, slow] = await Promise.all([exchange(port, ''), exchange(port, 'GET /readyz HTTP/1.1\r\nX: ')])
  assert.equal(silent.includes(ready), false)
  assert.equal(slow.includes(ready), false)
})

test('answers the kubelet although an attacker holds as many connections open as possible', async (context) => {
  const { port } = await start(context)
  const held = Array.from({ length: 200 }, () => connect(port, '127.0.0.1').on('error', () => undefined))
  context.after(() => held.map((socket) => socket.destroy()))
  await Promise.all(held.map((socket) => once(socket, 'connect')))
  assert.deepEqual(read(await exchange(port, get('/readyz'))), [200, ready])
})

for (const [what, check, status] of [
  ['returns true', () => true, 200],
  ['promises true', () => Promise.resolve(true), 200],
  ['returns false', () => false, 503],
  ['throws', () => assert.fail('the database is gone'), 503],
  ['throws a non-Error value', throwText, 503],
  ['rejects', () => Promise.reject(new Error('the database is gone')), 503],
  ['returns a truthy value', () => 'yes', 503],
  ['returns nothing', () => undefined, 503],
] as const) {
  test(`answers ${status} if the application's own check ${what}, each time`, async (context) => {
    assert.ok(isCheck(check))
    const { port } = await start(context, { '/readyz': check })
    const expected = [status, status === 200 ? ready : unready]
    assert.deepEqual(read(await exchange(port, get('/readyz'))), expected)
    assert.deepEqual(read(await exchange(port, get('/readyz'))), expected)
  })
}

// For what an untyped program may do.
function isCheck(check: () => unknown): check is () => boolean {
  return typeof check === 'function'
}

function throwText(): boolean {
  // oxlint-disable-next-line typescript/only-throw-error
  throw 'gone'
}

test("does not call the application's own check while there is no certificate", async (context) => {
  let asked = 0
  const { source, port } = await start(context, { '/readyz': () => (asked += 1) > 0 })
  source.withdraw()
  assert.deepEqual(read(await exchange(port, get('/readyz'))), [503, unready])
  assert.equal(asked, 0)
})

test('answers 503 for a check that never finishes, runs it once for all waiting clients, and again afterwards', async (context) => {
  let asked = 0
  const check = (): Promise<boolean> => {
    asked += 1
    return asked === 1 ? new Promise(() => undefined) : Promise.resolve(true)
  }
  const { port } = await start(context, { '/readyz': check })
  const answers = await Promise.all(Array.from({ length: 5 }, () => exchange(port, get('/readyz'))))
  assert.deepEqual(
    answers.map(read),
    Array.from({ length: 5 }, () => [503, unready]),
  )
  assert.equal(asked, 1)
  assert.deepEqual(read(await exchange(port, get('/readyz'))), [200, ready])
})

test('closes open connections when it is closed, and can be closed twice', async (context) => {
  const { guard } = await start(context)
  const listener = await guard.probeListener({
    port: 0,
    host: '127.0.0.1',
    paths: { '/readyz': () => new Promise<boolean>(() => undefined) },
  })
  const waiting = [exchange(listener.port, ''), exchange(listener.port, get('/readyz'))]
  await exchange(listener.port, get('/elsewhere'))
  await Promise.all([listener.close(), listener.close()])
  assert.deepEqual(await Promise.all(waiting), ['', ''])
  await listener[Symbol.asyncDispose]()
})

test('leaves nothing that keeps the process alive', async () => {
  const { status, printed } = await spawnProgram(`
    import { connect } from 'node:net'
    import { authenticated, createGuard } from '@countersign/core'
    import { createAuthority } from '@countersign/testkit'
    const authority = await createAuthority('saas.example')
    const source = await authority.source('spiffe://saas.example/ns/production/sa/billing')
    const guard = createGuard({ source, rules: [{ path: '/**', allow: authenticated() }] })
    const paths = { '/readyz': () => new Promise(() => undefined) }
    const listener = await guard.probeListener({ port: 0, host: '127.0.0.1', paths })
    const socket = connect(listener.port, '127.0.0.1', async () => {
      socket.write('GET /readyz HTTP/1.1\\r\\nHost: probe\\r\\n\\r\\n')
      await listener.close()
      console.log('closed')
    })
    socket.on('error', () => undefined)
  `)
  assert.equal(printed, 'closed\n')
  assert.equal(status, 0)
})
