import assert from 'node:assert/strict'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { authenticated, createGuard, denyAll, type Guard, type GuardOptions, perRoute } from '@countersign/core'
import { isDenial } from '@countersign/core/adapter'
import { countersign } from '@countersign/express'
import { createAuthority, Peer } from '@countersign/testkit'
import express from 'express'
import { refusal } from '../adapters/refusal.ts'
import { admitNow } from '../support/admit-now.ts'

/*
 * Tests additional request listeners. Libraries for graceful shutdown and monitoring add them, some before the server
 * is attached and some when the process ends.
 */

const authority = await createAuthority('saas.example')
const caller = await authority.issue('spiffe://saas.example/ns/production/sa/core-api')

async function create(rules: NonNullable<GuardOptions['rules']> | undefined): Promise<Guard> {
  const source = await authority.source('spiffe://saas.example/ns/production/sa/billing')
  return createGuard({ source, ...(rules !== undefined && { rules }), log: () => undefined })
}

const ownRules = [
  { path: '/closed/**', allow: denyAll() },
  { path: '/**', allow: authenticated() },
]

async function listen(context: TestContext, server: Server): Promise<Peer> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  const peer = new Peer(address.port, caller, {})
  context.after(() => {
    peer.close()
    server.close()
    server.closeAllConnections()
  })
  return peer
}

for (const isAttachedFirst of [true, false]) {
  test(`an additional listener ${isAttachedFirst ? 'after' : 'before'} attaching receives only requests that the rules allow`, async (context) => {
    const guard = await create(ownRules)
    const handle: RequestListener = (request, response) => {
      response.end(isDenial(admitNow(guard, request)) ? 'denied' : 'admitted')
    }
    const server = createServer(guard.tlsOptions(), handle)
    const seen: unknown[] = []
    const watch = ({ url }: IncomingMessage, response: ServerResponse): void => {
      seen.push(url)
      // As http-terminator does while the server closes.
      if (!response.headersSent) response.setHeader('connection', 'close')
    }
    if (isAttachedFirst) guard.attach(server)
    server.prependListener('request', watch)
    if (!isAttachedFirst) guard.attach(server)
    const peer = await listen(context, server)
    const response = await peer.fetch('/open')
    assert.deepEqual([await response.text(), response.headers.get('connection')], ['admitted', 'close'])
    assert.equal((await peer.fetch('/closed/door')).status, 403)
    assert.equal((await peer.fetch('/%2e%2e/x')).status, 400)
    server.off('request', watch)
    assert.equal((await peer.fetch('/open')).headers.get('connection'), 'keep-alive')
    assert.deepEqual(seen, ['/open'])
  })
}

for (const [what, rules] of [
  ['has no rules', undefined],
  ['has a rule that leaves requests to their route', [{ path: '/x', allow: perRoute() }, ...ownRules]],
] as const) {
  test(`a guard that ${what} refuses an additional listener, before and after attaching`, async () => {
    const guard = await create(rules)
    const server = createServer(guard.tlsOptions(), () => undefined)
    guard.attach(server)
    assert.throws(
      () => server.on('request', () => undefined),
      refusal('server_unsuitable', /further 'request' listener/),
    )
    const second = createServer(guard.tlsOptions(), () => undefined)
    second.on('request', () => undefined)
    assert.throws(() => guard.attach(second), refusal('server_unsuitable', /second 'request' listener/))
  })
}

for (const order of ['before', 'after'] as const) {
  test(`a listener ${order} that of an Express application does not hide how it reads paths`, async (context) => {
    const guard = await create(ownRules)
    const app = express()
    app.use(countersign(guard))
    app.get('/closed/door', () => assert.fail('a denied request reached its handler'))
    const server = createServer(guard.tlsOptions())
    const seen: unknown[] = []
    const watch = ({ url }: IncomingMessage): void => void seen.push(url)
    if (order === 'before') server.on('request', watch)
    server.on('request', app)
    guard.attach(server)
    if (order === 'after') server.on('request', watch)
    const peer = await listen(context, server)
    // Express ignores the case of letters, and so does the rule.
    assert.equal((await peer.fetch('/CLOSED/door')).status, 403)
    assert.equal((await peer.fetch('/other')).status, 404)
    assert.deepEqual(seen, ['/other'])
  })
}
