import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:https'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { createServer as createTlsServer } from 'node:tls'
import { authenticated, createGuard, permitAll } from '@countersign/core'
import { isDenial } from '@countersign/core/adapter'
import { createAuthority, Running } from '@countersign/testkit'
import { admitNow } from '../support/admit-now.ts'

test("the caller is not authenticated on a server that was created with the guard's options but not attached to it", async (context) => {
  const authority = await createAuthority('saas.example')
  const source = await authority.source('spiffe://saas.example/ns/production/sa/billing')
  const guard = createGuard({ source, rules: [{ path: '/**', allow: authenticated() }], log: () => undefined })
  const options = guard.tlsOptions()
  // With some versions of Node.js it has no key until it is attached, and refuses every handshake.
  const own = options.key === undefined ? { key: source.svid.keyPem, cert: source.svid.certificatePem } : {}
  const server = createServer({ ...options, ...own }, (request, response) => {
    const verdict = admitNow(guard, request)
    response.end(isDenial(verdict) ? verdict.reason : verdict.name)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const running = new Running(server, async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  })
  context.after(() => running.close())
  const caller = await authority.issue('spiffe://saas.example/ns/production/sa/core-api')

  const response = await running.as(caller).fetch('/')

  assert.equal(await response.text(), 'guard_missing')
})

test('denies a connection of a server that is not attached, and reports it once with that reason', async (context) => {
  const authority = await createAuthority('saas.example')
  const source = await authority.source('spiffe://saas.example/ns/production/sa/billing')
  const reported: unknown[] = []
  const guard = createGuard({
    source,
    rules: [{ path: '/**', allow: permitAll() }],
    log: (event) => event.type === 'denial' && reported.push(event.reason),
  })
  const caller = await authority.issue('spiffe://saas.example/ns/production/sa/core-api')
  const { key, cert, ca } = guard.tlsOptions()
  const own = key === undefined ? { key: source.svid.keyPem, cert: source.svid.certificatePem } : { key, cert }
  const server = createTlsServer({ ...own, ca, requestCert: true, rejectUnauthorized: false }, (socket) => {
    const verdict = guard.admitConnection(socket)
    socket.end(isDenial(verdict) ? verdict.reason : verdict.name)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const running = new Running(server, async () => {
    server.close()
    await once(server, 'close')
  })
  context.after(() => running.close())

  const socket = await running.as(caller).connect()

  assert.equal(await text(socket), 'guard_missing')
  assert.deepEqual(reported, ['guard_missing'])
})
