/** A service for each framework, installed from the tarballs: starts, answers one caller and denies another. */
import assert from 'node:assert/strict'
import { createGuard, hasAuthority } from '@countersign/core'
import { countersign as middleware } from '@countersign/express'
import { countersign as plugin } from '@countersign/fastify'
import { createAuthority, serve } from '@countersign/testkit'
import express from 'express'
import Fastify from 'fastify'

const authority = await createAuthority('saas.example')
const source = await authority.source('spiffe://saas.example/ns/production/sa/billing')
const callers = ['core-api', 'mailer'].map((name) => `spiffe://saas.example/ns/production/sa/${name}`)
const makers = { fastify: createFastify, express: createExpress }
for (const [name, make] of Object.entries(makers)) {
  const guard = createGuard({
    source,
    rules: [{ path: '/invoices', allow: hasAuthority('SERVICE_core-api') }],
    log: () => undefined,
  })
  const running = await serve(guard, await make(guard))
  const statuses = []
  for (const caller of callers) {
    const { status } = await running.as(await authority.issue(caller)).fetch('/invoices')
    statuses.push(status)
  }
  await running.close()
  assert.deepEqual(statuses, [200, 403], name)
}
await source.close()

async function createFastify(guard) {
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(plugin, { guard })
  app.get('/invoices', () => 'invoices')
  return app
}

function createExpress(guard) {
  const app = express()
  app.use(middleware(guard))
  app.get('/invoices', (_request, response) => response.send('invoices'))
  return app
}
