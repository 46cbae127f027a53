import assert from 'node:assert/strict'
import { createSecureServer } from 'node:http2'
import { createServer } from 'node:https'
import { test } from 'node:test'
import { fastify } from 'fastify'
import { readHeaderLines, stripHeaders } from '../../packages/core/src/credential/forwarded/strip-headers.ts'
import {
  distinctTrailers,
  exchange,
  exchangeHttp2,
  identity,
  listen,
  names,
  parseAnswer,
  readBody,
  type ServerRequest,
  viewHeaders,
} from './strip-server.ts'

test('finds the field lines of a header in the order received, whatever their case', () => {
  const lines = readHeaderLines(['Client-Cert', 'a', 'Host', 'client-cert', 'CLIENT-CERT', 'b', 'client-cert', ''])

  assert.deepEqual(lines('client-cert'), ['a', 'b', ''])
  assert.deepEqual(lines('host'), ['client-cert'])
  assert.deepEqual(lines('a'), [])
})

test('HTTP/1: removes headers from every view, in any case and number', async (t) => {
  const port = await listen(t, createServer(identity), (request) => viewHeaders(request))

  const seen = await exchange(port, [
    'GET / HTTP/1.1',
    'Host: a',
    'CLIENT-cert: 1',
    'X-Kept: 1',
    'x-forwarded-client-cert: 2',
    'X-Forwarded-Client-Cert: 3',
    'X-Chosen: 4',
    'x-kept: 2',
    'SSL_CLIENT_CERT: 5',
    'Connection: close',
  ])

  assert.deepEqual(seen, {
    headers: { host: 'a', 'x-kept': '1, 2', connection: 'close' },
    headersDistinct: { host: ['a'], 'x-kept': ['1', '2'], connection: ['close'] },
    rawHeaders: ['Host', 'a', 'X-Kept', '1', 'x-kept', '2', 'Connection', 'close'],
  })
})

test('HTTP/1: removes headers that a listener has already read', async (t) => {
  const server = createServer(identity)
  server.on('request', (request) => void [request.headers, request.headersDistinct])
  const port = await listen(t, server, (request) => viewHeaders(request))

  const seen = await exchange(port, ['GET / HTTP/1.1', 'Host: a', 'Client-Cert: 1', 'Connection: close'])

  assert.deepEqual(seen, {
    headers: { host: 'a', connection: 'close' },
    headersDistinct: { host: ['a'], connection: ['close'] },
    rawHeaders: ['Host', 'a', 'Connection', 'close'],
  })
})

test('HTTP/1: removes more headers than Node.js parses at once', async (t) => {
  const port = await listen(t, createServer(identity), (request) => viewHeaders(request))
  const many = Array.from({ length: 40 }, (_, at) => [`Client-Cert: ${at}`, `X-Kept-${at}: 1`]).flat()

  const seen = await exchange(port, ['GET / HTTP/1.1', 'Host: a', ...many, 'Connection: close'])

  assert.equal(Object.keys(seen.headers).length, 42)
  assert.equal(Object.keys(seen.headersDistinct).length, 42)
  assert.equal(seen.rawHeaders.length, 84)
  assert.ok(!JSON.stringify(seen).toLowerCase().includes('client-cert'))
})

const chunked = [
  'POST / HTTP/1.1',
  'Host: a',
  'Transfer-Encoding: chunked',
  'Connection: close',
  '',
  '3',
  'abc',
  '0',
  'CLIENT-Cert: 1',
  'X-Kept: 1',
  'x-chosen: 2',
]

const early: Readonly<Record<string, (request: ServerRequest) => unknown>> = {
  'before they arrive': (request) => [request.trailers, request.rawTrailers],
  'only afterwards': () => undefined,
}

for (const [when, readEarly] of Object.entries(early)) {
  test(`HTTP/1: removes trailers that a handler reads ${when}`, async (t) => {
    const port = await listen(t, createServer(identity), async (request) => {
      readEarly(request)
      const body = await readBody(request)
      return { body, trailers: request.trailers, rawTrailers: request.rawTrailers, ...distinctTrailers(request) }
    })

    assert.deepEqual(await exchange(port, chunked), {
      body: 'abc',
      trailers: { 'x-kept': '1' },
      rawTrailers: ['X-Kept', '1'],
      trailersDistinct: { 'x-kept': ['1'] },
    })
  })
}

test('HTTP/1: removes trailers before the first listener for the end of the body', async (t) => {
  const seen: unknown[] = []
  const server = createServer(identity)
  server.on('request', (request) => {
    for (const event of ['end', 'close', 'readable'])
      request.prependListener(event, () => seen.push(request.rawTrailers))
  })
  const port = await listen(t, server, async (request) => ({ body: await readBody(request) }))

  await exchange(port, chunked)

  assert.ok(seen.length >= 2)
  assert.ok(!JSON.stringify(seen).toLowerCase().includes('client-cert'))
})

test('HTTP/1: removes headers from an upgrade', async (t) => {
  const server = createServer(identity)
  server.on('upgrade', (request, socket) => {
    stripHeaders(request, names)
    socket.end(`HTTP/1.1 101 Switching\r\nConnection: close\r\n\r\n${JSON.stringify(viewHeaders(request))}`)
  })
  const port = await listen(t, server, () => assert.fail())

  const seen = await exchange(port, [
    'GET / HTTP/1.1',
    'Host: a',
    'Client-Cert: 1',
    'Connection: upgrade',
    'Upgrade: x',
  ])

  assert.deepEqual(seen.rawHeaders, ['Host', 'a', 'Connection', 'upgrade', 'Upgrade', 'x'])
  assert.deepEqual(Object.keys(seen.headers), ['host', 'connection', 'upgrade'])
})

test('HTTP/1 on an HTTP/2 server: removes headers and trailers', async (t) => {
  const port = await listen(t, createSecureServer({ ...identity, allowHTTP1: true }), async (request) => {
    await readBody(request)
    return { ...viewHeaders(request), rawTrailers: request.rawTrailers }
  })

  const seen = await exchange(port, [...chunked.slice(0, 2), 'Client-Cert: 1', ...chunked.slice(2)])

  assert.deepEqual(Object.keys(seen.headers), ['host', 'transfer-encoding', 'connection'])
  assert.deepEqual(seen.rawTrailers, ['X-Kept', '1'])
})

test('HTTP/2: removes headers and trailers from every view, and from the stream', async (t) => {
  const events: unknown[] = []
  const server = createSecureServer(identity)
  server.on('request', (request) =>
    request.stream.on('trailers', (...given: unknown[]) => events.push(given[0], given[2])),
  )
  const port = await listen(t, server, async (request) => {
    const body = await readBody(request)
    const { headers, rawHeaders, trailers, rawTrailers } = request
    return { body, headers, rawHeaders, trailers, rawTrailers }
  })

  const seen = await exchangeHttp2(
    port,
    { ':method': 'POST', 'client-cert': '1', 'x-kept': '1', 'x-chosen': ['2', '3'] },
    { 'client-cert': '4', 'x-kept': '2', 'x-chosen': '5' },
  )

  assert.equal(seen.body, 'abc')
  assert.equal(seen.headers['x-kept'], '1')
  assert.deepEqual({ ...seen.trailers }, { 'x-kept': '2' })
  assert.deepEqual(seen.rawTrailers, ['x-kept', '2'])
  assert.equal(events.length, 2)
  assert.doesNotMatch(JSON.stringify([seen, events]), /client-cert|x-chosen/)
})

test('HTTP/2: a request without a body is left with its other headers', async (t) => {
  const port = await listen(t, createSecureServer(identity), ({ headers, rawHeaders }) => ({ headers, rawHeaders }))

  const seen = await exchangeHttp2(port, { ':path': '/a', 'client-cert': '1', 'x-kept': '1' })

  assert.equal(seen.headers[':path'], '/a')
  assert.equal(seen.headers['x-kept'], '1')
  assert.doesNotMatch(JSON.stringify(seen), /client-cert/)
})

test('Fastify: removes headers from an injected request', async (t) => {
  const app = fastify()
  t.after(() => app.close())
  app.addHook('onRequest', async ({ raw }) => stripHeaders(raw, names))
  app.post('/', async ({ headers, raw, body }) => ({ headers, rawHeaders: raw.rawHeaders, body }))

  const response = await app.inject({
    method: 'POST',
    url: '/',
    headers: { 'Client-Cert': '1', 'X-Kept': '1', 'X-CHOSEN': '2' },
    payload: { a: 1 },
  })

  const seen = parseAnswer(response.body)
  assert.equal(seen.headers['x-kept'], '1')
  assert.deepEqual(seen.body, { a: 1 })
  assert.doesNotMatch(response.body, /client-cert|x-chosen/i)
})
