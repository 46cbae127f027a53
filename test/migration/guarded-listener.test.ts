import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createServer as createHttpsServer, request } from 'node:https'
import { test } from 'node:test'
import { authenticated, createGuard, type Guard } from '@countersign/core'
import { countersign, createServer } from '@countersign/express'
import { createAuthority } from '@countersign/testkit'
import express from 'express'
import { createMigrationListener } from '../../packages/core/src/migration/migration-listener.ts'
import { connectTo, readAll, startListener, unnamed } from './start-listener.ts'

const authority = await createAuthority('saas.example')
const caller = await authority.issue('spiffe://saas.example/ns/production/sa/core-api')

async function createService(): Promise<Guard> {
  const source = await authority.source('spiffe://saas.example/ns/production/sa/billing')
  return createGuard({ source, rules: [{ path: '/**', allow: authenticated() }], log: () => undefined })
}

test('the gate of the TLS server decides plaintext requests of every kind', async (t) => {
  const guard = await createService()
  const app = express()
  app.use(countersign(guard))
  app.get('/invoices', (_request, response) => void response.end('served'))
  const tlsServer = createServer(guard, app)
  for (const event of ['upgrade', 'connect', 'checkContinue', 'checkExpectation']) {
    tlsServer.on(event, () => assert.fail(`a denied request reached the listener of ${event}`))
  }
  const { port } = await startListener(t, tlsServer)

  for (const head of [
    'GET /invoices HTTP/1.1',
    'GET /invoices HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket',
    'CONNECT saas.example:443 HTTP/1.1',
    'POST /invoices HTTP/1.1\r\nContent-Length: 1\r\nExpect: 100-continue',
    'POST /invoices HTTP/1.1\r\nContent-Length: 1\r\nExpect: cookies',
  ]) {
    const socket = await connectTo(t, port)
    socket.end(`${head}\r\nHost: billing\r\n\r\n`)
    assert.match((await readAll(socket)).toString(), /^HTTP\/1\.1 (?:4\d\d|503) /, head)
  }
  const tls = { key: caller.keyPem, cert: caller.certificatePem, ca: authority.bundlePem, ...unnamed }
  const proven = request({ host: '127.0.0.1', port, path: '/invoices', agent: false, ...tls }).end()
  const response = await new Promise<IncomingMessage>((resolve) => proven.once('response', resolve))
  assert.equal(response.statusCode, 200)
  response.resume()
})

for (const [what, address, code, order] of [
  ['a check at startup fails', '127.0.0.1', 'registration_invalid', 'late'],
  ['a source made for tests would listen beyond loopback', '0.0.0.0', 'server_unsuitable', 'first'],
] as const) {
  test(`closes if ${what}`, async (t) => {
    const guard = await createService()
    const app = express()
    if (order === 'first') app.use(countersign(guard))
    app.get('/invoices', (_request, response) => void response.end('served'))
    if (order === 'late') app.use(countersign(guard))
    const tlsServer = createServer(guard, app)
    const failed = new Promise<Error>((resolve) => tlsServer.once('error', resolve))
    const listener = createMigrationListener(tlsServer, { onPlaintext: () => undefined, isOpen: () => true })
    t.after(() => listener.close())
    const closed = once(listener, 'close')
    listener.listen(0, address)

    assert.equal(Reflect.get(await failed, 'code'), code)
    await closed
  })
}

test('refuses a server whose peers may claim to be any caller', async () => {
  const source = await authority.source('spiffe://saas.example/ns/production/sa/billing')
  const guard = createGuard({
    source,
    rules: [{ path: '/**', allow: authenticated() }],
    credentials: { forwarded: { format: 'xfcc', dangerouslyTrustAnyPeer: true } },
    permissive: { until: new Date(Date.now() + 86_400_000).toISOString() },
    log: () => undefined,
  })
  const server = createHttpsServer(guard.tlsOptions())
  guard.attach(server)

  assert.throws(() => guard.migrationListener(server), { code: 'server_unsuitable' })
})
