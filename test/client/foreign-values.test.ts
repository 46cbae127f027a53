import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { createFetch, type Fetch, type FetchInit } from '@countersign/client'
import { createAuthority } from '@countersign/testkit'
import { FormData as OwnFormData, Headers as OwnHeaders, Request as OwnRequest } from 'undici'
import { LoopbackServer } from './loopback-server.ts'
import { until } from './until.ts'

const billing = 'spiffe://saas.example/ns/production/sa/billing'
const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'

const saas = await createAuthority('saas.example')
const source = await saas.source(coreApi)

/** What a server received. */
interface Received {
  readonly method: string
  readonly type: string
  readonly mark: string
  readonly body: string
}

test("sends method, headers and body of Node's own Request", async (context) => {
  const { call, url } = await arrange(context)
  const init = { method: 'PUT', body: '{"a":1}', headers: { 'content-type': 'application/json', 'x-mark': 'kept' } }
  const expected = { method: 'PUT', type: 'application/json', mark: 'kept', body: '{"a":1}' }
  assert.deepEqual(await call(new Request(url, init)), expected)
  assert.deepEqual(await call(new OwnRequest(url, init)), expected)
  assert.deepEqual(await call(new Request(url)), { method: 'GET', type: '', mark: '', body: '' })
})

test('options passed with a Request override its properties', async (context) => {
  const { call, url } = await arrange(context)
  const request = new Request(url, { method: 'PUT', body: 'old', headers: { 'x-mark': 'old' } })
  const received = await call(request, { method: 'POST', body: 'new', headers: { 'x-mark': 'new' } })
  assert.deepEqual(received, { method: 'POST', type: 'text/plain;charset=UTF-8', mark: 'new', body: 'new' })
})

test("sends Node's own FormData as a form, in a Request and in the options", async (context) => {
  const { call, url } = await arrange(context)
  for (const form of [new FormData(), new OwnFormData()]) {
    form.append('name', 'value')
    form.append('file', new Blob(['content'], { type: 'text/csv' }), 'a.csv')
    const requests = [await call(url, { method: 'POST', body: form })]
    if (form instanceof FormData) {
      requests.push(await call(new Request(url, { method: 'POST', body: form })))
      requests.push(await call(new Request(url, { method: 'POST' }), { body: form }))
    }
    for (const { type, body } of requests) {
      assert.match(type, /^multipart\/form-data; boundary=/)
      assert.ok(body.includes(`--${type.split('boundary=')[1]}`))
      assert.match(body, /name="name"\r\n\r\nvalue\r\n/)
      assert.match(body, /name="file"; filename="a\.csv"\r\ncontent-type: text\/csv\r\n\r\ncontent\r\n/i)
    }
  }
})

test('sends headers from both kinds of Headers objects, pairs and records', async (context) => {
  const { call, url } = await arrange(context)
  const record = { 'x-mark': 'kept' }
  for (const headers of [new Headers(record), new OwnHeaders(record), Object.entries(record), record]) {
    assert.equal((await call(url, { headers })).mark, 'kept')
  }
})

/** Bodies of every kind, each with the same five bytes. */
const bodies: readonly (readonly [what: string, create: () => FetchInit['body']])[] = [
  ['text', () => 'a=b&c'],
  ['bytes', () => new TextEncoder().encode('a=b&c')],
  ['an ArrayBuffer', () => new TextEncoder().encode('a=b&c').buffer],
  ['a Blob', () => new Blob(['a=b', '&c'])],
  ['a stream', () => new Blob(['a=b', '&c']).stream()],
  ['an async iterable', () => yieldBytes()],
]

async function* yieldBytes(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('a=b')
  yield Buffer.from('&c')
}

for (const [what, create] of bodies) {
  test(`sends a body that is ${what} completely`, async (context) => {
    const { call, url } = await arrange(context)
    assert.equal((await call(url, { method: 'POST', body: create(), duplex: 'half' })).body, 'a=b&c')
  })
}

test('sends URLSearchParams as a form', async (context) => {
  const { call, url } = await arrange(context)
  const { type, body } = await call(url, { method: 'POST', body: new URLSearchParams({ a: 'b' }) })
  assert.deepEqual([type, body], ['application/x-www-form-urlencoded;charset=UTF-8', 'a=b'])
})

test('checks the integrity option of a Request', async (context) => {
  const { fetch, server } = await arrange(context)
  const known = `sha256-${createHash('sha256').update('known').digest('base64')}`
  const url = `${server.url}/known`
  assert.equal(await (await fetch(new Request(url, { integrity: known }))).text(), 'known')
  const wrong = `sha256-${createHash('sha256').update('other').digest('base64')}`
  await assert.rejects(fetch(new Request(url, { integrity: wrong })))
})

test('a signal aborts a call during connection, waiting and the response body', async (context) => {
  const { fetch, server } = await arrange(context)
  const silent = createServer((socket) => socket.on('error', () => undefined).resume())
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const sockets: { destroy(): void }[] = []
  silent.on('connection', (socket) => sockets.push(socket))
  context.after(() => {
    for (const socket of sockets) socket.destroy()
    silent.close()
  })
  const address = silent.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  const given = new Error('given up')

  const connecting = new AbortController()
  const call = fetch(`https://127.0.0.1:${port}`, { signal: connecting.signal })
  await until(() => sockets.length === 1)
  connecting.abort(given)
  await assert.rejects(call, given)

  for (const create of [
    (url: string, signal: AbortSignal) => fetch(url, { signal }),
    (url: string, signal: AbortSignal) => fetch(new Request(url, { signal })),
  ]) {
    const before = server.requests.length
    const waiting = new AbortController()
    const second = create(`${server.url}/silent`, waiting.signal)
    await until(() => server.requests.length === before + 1)
    waiting.abort(given)
    await assert.rejects(second, given)

    const semantics = new AbortController()
    const response = await create(`${server.url}/endless`, semantics.signal)
    const body = response.text()
    semantics.abort(given)
    await assert.rejects(body, given)
  }

  await assert.rejects(fetch(server.url, { signal: AbortSignal.abort(given) }), given)
})

async function arrange(context: TestContext): Promise<{
  readonly fetch: Fetch
  readonly server: LoopbackServer
  readonly url: string
  readonly call: (...given: Parameters<Fetch>) => Promise<Received>
}> {
  const fetch = createFetch(source, { servers: [billing], timeoutMs: 500 })
  context.after(() => fetch.close())
  const server = await LoopbackServer.start(context, await saas.issue(billing), (request, response) => {
    const { method = '', headers, url } = request
    if (url === '/known') response.end('known')
    else if (url === '/endless') response.write('a beginning')
    else if (url !== '/silent') {
      void text(request).then((body) => {
        const type = headers['content-type'] ?? ''
        response.end(JSON.stringify({ method, type, mark: headers['x-mark'] ?? '', body }))
      })
    }
  })
  const call = async (...given: Parameters<Fetch>): Promise<Received> => {
    const received: unknown = await (await fetch(...given)).json()
    return readReceived(received)
  }
  return { fetch, server, url: server.url, call }
}

function readReceived(value: unknown): Received {
  assert.ok(typeof value === 'object' && value !== null)
  const read = (name: string): string => String(Reflect.get(value, name))
  return { method: read('method'), type: read('type'), mark: read('mark'), body: read('body') }
}
