import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { connect as connectDirectly, createServer as createDirectServer } from 'node:tls'
import { test } from 'node:test'
import type { ServerSocket } from '@countersign/client'
import { createAuthority } from '@countersign/testkit'
import { withLife } from '../support/with-life.ts'
import { findCallError } from './expect-call-error.ts'
import { billing, connectTo, coreApi, portOf, received, saas, start } from './tls-pair.ts'
import { until } from './until.ts'

test("a connection closes when the caller's certificate expires", (context) =>
  withLife(2, async (life) => {
    const { server, port } = await start(context, await saas.source(billing), { callers: [coreApi] })
    const { keyPem: key, certificatePem: cert } = await saas.issue(coreApi, { ttlSeconds: life.seconds })
    // Not with connectTls, which would also close it.
    const socket = connectDirectly({
      port,
      host: '127.0.0.1',
      ca: saas.bundlePem,
      key,
      cert,
      checkServerIdentity: () => undefined,
    })
    context.after(() => socket.destroy())
    socket.on('error', () => undefined)
    await until(() => server.callers.length === 1 || life.isLate())
    life.begun()
    assert.equal(await received(socket), '')
    assert.equal(server.callers[0]?.destroyed, true)
    assert.ok(server.events.some((event) => event.type === 'authentication' && event.reason === 'identity_expired'))
  }))

test("a connection closes with a CallError when the server's certificate expires", (context) =>
  withLife(2, async (life) => {
    const { keyPem: key, certificatePem: cert } = await saas.issue(billing, { ttlSeconds: life.seconds })
    // Not with createTlsServer, which would close it at the same moment.
    const server = createDirectServer({ key, cert, ca: saas.bundlePem, requestCert: true })
    server.on('secureConnection', (accepted) => {
      accepted.on('error', () => undefined).resume()
      context.after(() => accepted.destroy())
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    context.after(() => server.close())
    const socket = await connectTo(context, await saas.source(coreApi), { port: portOf(server) })
    life.begun()
    const error = await errorOf(socket)
    assert.deepEqual(describe(error), ['server_untrusted', 'identity_expired'])
  }))

test("a connection closes when the server's authority is withdrawn, and when we have no certificate", async (context) => {
  const { port } = await start(context, await saas.source(billing), { callers: [coreApi] })
  const successor = await createAuthority('saas.example')
  const source = await saas.source(coreApi)
  const socket = await connectTo(context, source, { port })
  const ended = errorOf(socket)
  source.replace({ svid: await successor.issue(coreApi), bundles: { 'saas.example': successor } })
  const error = await ended
  assert.equal(describe(error)[0], 'server_untrusted')
  const other = await saas.source(coreApi)
  const second = await connectTo(context, other, { port })
  const lost = errorOf(second)
  other.withdraw()
  const loss = await lost
  assert.deepEqual(describe(loss), ['own_certificate_missing', 'source_empty'])
})

test('connections survive a rotation at either end, and new ones present the new SVIDs', async (context) => {
  const [near, far] = [await saas.source(coreApi), await saas.source(billing)]
  const { port } = await start(context, far, { callers: [coreApi] })
  const old = await connectTo(context, near, { port })
  near.replace({ svid: await saas.issue(coreApi) })
  far.replace({ svid: await saas.issue(billing) })
  const next = await connectTo(context, near, { port })
  assert.equal(next.getPeerCertificate().serialNumber.toLowerCase(), far.svid.serialNumber)
  for (const socket of [old, next]) {
    socket.end('hello')
    assert.equal(await text(socket), `${coreApi} says hello`)
  }
})

test('a signal aborts connecting, before and during the handshake, but not an open connection', async (context) => {
  const source = await saas.source(coreApi)
  const opened: Socket[] = []
  const silent = createServer((socket) => opened.push(socket.on('error', () => undefined).resume()))
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  context.after(() => silent.close())
  const given = new Error('given up')
  await assert.rejects(connectTo(context, source, { port: portOf(silent), signal: AbortSignal.abort(given) }), given)
  assert.equal(opened.length, 0)
  const controller = new AbortController()
  const attempt = connectTo(context, source, { port: portOf(silent), signal: controller.signal })
  await until(() => opened.length === 1)
  controller.abort(given)
  await assert.rejects(attempt, given)
  await until(() => opened[0]?.destroyed === true)
  const { port } = await start(context, await saas.source(billing), { callers: [coreApi] })
  const late = new AbortController()
  const socket = await connectTo(context, source, { port, signal: late.signal })
  late.abort()
  socket.end('hello')
  assert.equal(await text(socket), `${coreApi} says hello`)
})

test('a connection that breaks at either end does not crash a process', async (context) => {
  const { server, port } = await start(context, await saas.source(billing), { callers: [coreApi] })
  const source = await saas.source(coreApi)
  const socket = await connectTo(context, source, { port })
  await until(() => server.callers.length === 1)
  // We have no error listener at either end.
  server.callers[0]?.destroy(new Error('broken'))
  await once(socket, 'close')
  const other = await connectTo(context, source, { port })
  await until(() => server.callers.length === 2)
  other.write('x'.repeat(1_000_000))
  other.destroy()
  await until(() => server.callers[1]?.destroyed === true)
})

function errorOf(socket: ServerSocket): Promise<Error> {
  return new Promise((resolve) => {
    socket.once('error', resolve)
  })
}

function describe(error: unknown): readonly [code: string, reason: string] {
  const { code, reason } = findCallError(error)
  return [code, reason]
}
