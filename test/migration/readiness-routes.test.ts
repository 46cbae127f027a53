import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:https'
import { test } from 'node:test'
import { anonymous, anyOf, createGuard, hasAuthority } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'
import { portOf, send } from './start-listener.ts'

test('readiness distinguishes rules that have the same path and different methods', async (t) => {
  const authority = await createAuthority('saas.example')
  const allow = anyOf(anonymous(), hasAuthority('SERVICE_core-api'))
  const guard = createGuard({
    source: await authority.source('spiffe://saas.example/ns/production/sa/billing'),
    permissive: { until: new Date(Date.now() + 600_000).toISOString() },
    rules: [
      { path: '/invoices', methods: ['GET'], allow },
      { path: '/invoices', methods: ['POST', 'PUT'], allow },
      { path: '/**', allow },
    ],
    log: () => undefined,
  })
  const server = createServer(guard.tlsOptions(), (_request, response) => void response.end())
  guard.attach(server)
  const listener = guard.migrationListener(server).listen(0, '127.0.0.1')
  t.after(() => listener.close())
  await once(listener, 'listening')

  for (const [method, path] of [
    ['HEAD', '/invoices'],
    ['PUT', '/invoices'],
    ['DELETE', '/invoices'],
  ]) {
    assert.equal((await send('http', portOf(listener), { method, path })).status, 200)
  }

  assert.deepEqual(
    guard.readiness()?.entries.map(({ route }) => route),
    ['/**', 'GET, HEAD /invoices', 'POST, PUT /invoices'],
  )
})
