import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttpsServer } from 'node:https'
import { test, type TestContext } from 'node:test'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import { authenticated, createGuard, type Guard, permitAll } from '@countersign/core'
import { createAuthority, Running } from '@countersign/testkit'
import { type Life, withLife } from '../support/with-life.ts'

/*
 * No further request can be refused on a connection without HTTP, so only its close ends the access.
 */

const authority = await createAuthority('saas.example')
const source = await authority.source('spiffe://saas.example/ns/production/sa/billing')

const servers: readonly (readonly [name: string, createServer: (guard: Guard) => Server])[] = [
  ['on a TLS server', (guard) => createServer(guard.tlsOptions())],
  [
    'on an HTTPS server whose application admitted the connection itself',
    (guard) =>
      createHttpsServer(guard.tlsOptions()).on('secureConnection', (socket) => void guard.admitConnection(socket)),
  ],
]

for (const [name, create] of servers) {
  test(`with onExpiry 'refuse' a connection without HTTP closes when its certificate expires, ${name}`, (context) =>
    withLife(2, async (life) => {
      const reasons: unknown[] = []
      const guard = createGuard({
        source,
        rules: [{ path: '/**', allow: authenticated() }],
        onExpiry: 'refuse',
        log: (event) => event.type === 'authentication' && reasons.push(event.reason),
      })
      const running = await listen(context, guard, create(guard))
      const [socket, expiresAt] = await open(running, life)
      life.begun()
      // A certificate is valid through the whole second of notAfter. The signal only stops a failing test.
      const end = expiresAt + 1000
      await once(socket.resume(), 'close', { signal: AbortSignal.timeout(end - Date.now() + 5000) })
      assert.ok(Date.now() >= end)
      assert.deepEqual(reasons, ['identity_expired'])
    }))
}

async function open(running: Running, { seconds }: Life): Promise<[TLSSocket, expiresAt: number]> {
  const svid = await authority.issue('spiffe://saas.example/ns/production/sa/core-api', { ttlSeconds: seconds })
  const accepted = once(running.server, 'secureConnection')
  const socket = await running.as(svid).connect()
  socket.on('error', () => undefined)
  await accepted
  return [socket, svid.expiresAt]
}

async function listen(context: TestContext, guard: Guard, server: Server): Promise<Running> {
  guard.attach(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const running = new Running(server, async () => {
    server.close()
    await once(server, 'close')
  })
  context.after(() => running.close())
  return running
}

for (const [name, options] of [
  ['permissive mode', { permissive: { until: new Date(Date.now() + 86_400_000).toISOString() } }],
  ['an untrusted proxy', { credentials: { forwarded: { dangerouslyTrustAnyPeer: true, format: 'client-cert' } } }],
] as const) {
  test(`with ${name}, a TLS server without HTTP receives no peer without a certificate`, async (context) => {
    const reasons: unknown[] = []
    const guard = createGuard({
      source,
      rules: [{ path: '/**', allow: permitAll() }],
      ...options,
      log: (event) => event.type === 'authentication' && reasons.push(event.reason),
    })
    const names: unknown[] = []
    const server = createServer(guard.tlsOptions(), (socket) => {
      const admitted = guard.admitConnection(socket)
      names.push('name' in admitted ? admitted.name : admitted.reason)
      socket.end('hello')
    })
    const running = await listen(context, guard, server)
    const stranger = await running.as(null).connect()
    await once(stranger.resume(), 'close')
    assert.deepEqual([names, reasons], [[], ['certificate_missing']])

    if (name !== 'permissive mode') return
    const known = await running.as(await authority.issue('spiffe://saas.example/ns/production/sa/core-api')).connect()
    await once(known.resume(), 'close')
    assert.deepEqual(names, ['spiffe://saas.example/ns/production/sa/core-api'])
  })
}
