import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { test, type TestContext } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { authenticated, createGuard, type Guard } from '@countersign/core'
import { forAdapter, isDenial } from '@countersign/core/adapter'
import { createAuthority, type Running, serve, type TestSvid } from '@countersign/testkit'
import { admitNow } from '../support/admit-now.ts'

const authority = await createAuthority('saas.example')

type Passed = (request: IncomingMessage, response: ServerResponse) => unknown

/** A service that keeps connections open when a peer's certificate expires. */
async function start(context: TestContext, handle: Passed): Promise<Running> {
  const source = await authority.source('spiffe://saas.example/ns/production/sa/billing')
  const rules = [{ path: '/**', allow: authenticated() }]
  const guard: Guard = createGuard({ source, rules, onExpiry: 'refuse', log: () => undefined })
  const running = await serve(guard, (request: IncomingMessage, response: ServerResponse) => {
    const verdict = admitNow(guard, request)
    if (isDenial(verdict)) response.writeHead(forAdapter(guard).answer(verdict, request)?.status ?? 500).end()
    else handle(request, response)
  })
  context.after(() => running.close())
  return running
}

async function open(running: Running, svid: TestSvid): Promise<TLSSocket> {
  const socket = await running.as(svid).connect()
  return socket.on('error', () => undefined)
}

const shortLived = (): Promise<TestSvid> =>
  authority.issue('spiffe://saas.example/ns/production/sa/core-api', { ttlSeconds: 2 })

// The whole second in notAfter is valid.
const endOf = ({ expiresAt }: TestSvid): number => expiresAt + 1000

test(
  'a body that is still being read after an early response is cut off when the certificate expires',
  { timeout: 10_000 },
  async (context) => {
    const received: number[] = []
    const running = await start(context, (request, response) => {
      request.on('data', () => received.push(Date.now())).on('error', () => undefined)
      response.writeHead(202, { 'content-length': 0 }).end()
    })
    const svid = await shortLived()
    const socket = await open(running, svid)
    socket.write('POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n')
    const sending = setInterval(() => socket.write('3\r\nabc\r\n'), 100)
    context.after(() => clearInterval(sending))
    socket.resume()
    // `once` of node:events would reject, because what is sent while the connection closes is answered with a reset.
    await new Promise<void>((resolve) => void socket.once('close', () => resolve()))
    assert.ok(Date.now() >= endOf(svid))
    assert.ok(received.length > 5)
  },
)

test('a socket that was taken from its response closes when the certificate expires', async (context) => {
  const running = await start(context, ({ socket }, response) => {
    response.detachSocket(socket)
    socket.write('HTTP/1.1 200 OK\r\n\r\n')
  })
  const svid = await shortLived()
  const socket = await open(running, svid)
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  socket.resume()
  await once(socket, 'close', { signal: AbortSignal.timeout(6000) })
  assert.ok(Date.now() >= endOf(svid))
})

test('a connection stays open after the response to a request with a body, and its next request is denied and closes it', async (context) => {
  const running = await start(context, (request, response) => {
    request.resume().on('end', () => response.end('all'))
  })
  const svid = await shortLived()
  const socket = await open(running, svid)
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
  socket.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc')
  await new Promise((resolve) => setTimeout(resolve, endOf(svid) - Date.now() + 100))
  assert.match(text, /^HTTP\/1\.1 200 /)
  text = ''
  const answered = once(socket, 'data')
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await answered
  assert.match(text, /^HTTP\/1\.1 403 .*\r\nConnection: close\r\n/s)
  if (!socket.closed) await once(socket, 'close')
})

test('a fast clock that is corrected leaves no response running past the expiry', async (context) => {
  const real = Date.now
  let ahead = 0
  context.mock.method(Date, 'now', () => real() + ahead)
  const running = await start(context, (request, response) => {
    if (request.method === 'HEAD') return response.end()
    response.flushHeaders()
    const writing = setInterval(() => response.write('x'), 50)
    return response.on('close', () => clearInterval(writing))
  })
  const svid = await shortLived()
  const socket = await open(running, svid)
  // In TLS 1.3 this end is ready before the other has checked the certificate.
  socket.write('HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await once(socket, 'data')
  // The wait finds the expiry in the past.
  ahead = 60_000
  await new Promise((resolve) => setTimeout(resolve, endOf(svid) - real() + 100))
  ahead = -4000
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  const answer: unknown[] = await once(socket, 'data', { signal: AbortSignal.timeout(6000) })
  assert.match(String(answer[0]), /^HTTP\/1\.1 200 /)
  socket.resume()
  await once(socket, 'close', { signal: AbortSignal.timeout(8000) })
  assert.ok(Date.now() >= endOf(svid))
})
