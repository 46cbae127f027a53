import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectHttp2, constants, createSecureServer } from 'node:http2'
import { createServer } from 'node:https'
import type { Server } from 'node:net'
import type { Readable } from 'node:stream'
import { test, type TestContext } from 'node:test'
import { connect } from 'node:tls'
import { allOf, authenticated, createGuard, type Guard, provenBy } from '@countersign/core'
import { createReplaceableJwtBundles, JwtBundle, type ReplaceableJwtBundles } from '@countersign/spiffe/jwt'
import { createAuthority } from '@countersign/testkit'

/** A handler may answer before it has read the request. What it still reads belongs to the same credential. */

const authority = await createAuthority('saas.example')
const source = await authority.source('spiffe://saas.example/ns/production/sa/billing')
const callerId = 'spiffe://saas.example/ns/production/sa/core-api'
const authorization = `Bearer ${authority.issueJwt(callerId, { audience: 'billing' }).token}`

interface Service {
  readonly port: number
  readonly bundles: ReplaceableJwtBundles
  /** Fulfilled when the handler can read no more of the request. */
  readonly closed: Promise<void>
}

type Answer = (request: Readable, response: { end(text: string): unknown }) => void

async function start(t: TestContext, create: (guard: Guard, answer: Answer) => Server): Promise<Service> {
  const bundle = JwtBundle.parse('saas.example', authority.jwtBundle)
  const bundles = createReplaceableJwtBundles(new Map([['saas.example', bundle]]))
  const guard = createGuard({
    source,
    rules: [{ path: '/**', allow: allOf(provenBy('jwt-svid'), authenticated()) }],
    credentials: { jwtSvid: { audiences: ['billing'], bundles, withoutCertificate: true } },
    log: () => undefined,
  })
  let close: () => void = () => undefined
  const closed = new Promise<void>((resolve) => (close = resolve))
  const server = create(guard, (request, response) => {
    request.on('data', () => undefined).on('close', close)
    request.on('error', () => undefined)
    response.end('accepted')
  })
  guard.attach(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return { port: address.port, bundles, closed }
}

test('an upload over HTTP/1.1 whose response has ended closes with its credential', async (t) => {
  const { port, bundles, closed } = await start(t, (guard, answer) => createServer(guard.tlsOptions(), answer))
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }).on('error', () => undefined)
  t.after(() => socket.destroy())
  socket.write(
    `POST / HTTP/1.1\r\nHost: a\r\nAuthorization: ${authorization}\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n`,
  )
  const answer: unknown = await new Promise((resolve) => socket.once('data', resolve))
  assert.match(String(answer), /^HTTP\/1\.1 200 /)

  bundles.replace(new Map())
  await Promise.all([closed, once(socket.resume(), 'close')])
})

test('an upload over HTTP/2 whose response has ended closes with its credential', async (t) => {
  const { port, bundles, closed } = await start(t, (guard, answer) => createSecureServer(guard.tlsOptions(), answer))
  const session = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false }).on('error', () => undefined)
  t.after(() => session.destroy())
  const stream = session.request({ ':method': 'POST', ':path': '/', authorization }, { endStream: false })
  stream.on('error', () => undefined).write('x')
  const status = await new Promise((resolve) => stream.once('response', (headers) => resolve(headers[':status'])))
  assert.equal(status, 200)
  await once(stream.resume(), 'end')
  const reset = new Promise((resolve) => stream.once('close', () => resolve(stream.rstCode)))

  bundles.replace(new Map())
  await closed
  assert.equal(await reset, constants.NGHTTP2_INTERNAL_ERROR)
})
