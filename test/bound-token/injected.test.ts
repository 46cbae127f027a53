import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mock, test } from 'node:test'
import { authenticated, createGuard } from '@countersign/core'
import countersign, { requireBoundToken } from '@countersign/fastify'
import { createAuthority } from '@countersign/testkit'
import Fastify from 'fastify'

const authority = await createAuthority('saas.example')
const caller = authority.as('spiffe://saas.example/ns/production/sa/core-api')
const request = { url: '/payments', headers: { authorization: 'Bearer a' } }

async function inject(verify: (token: string) => unknown): Promise<number> {
  const source = await authority.source('spiffe://saas.example/ns/production/sa/payments')
  const guard = createGuard({ source, rules: [{ path: '/**', allow: authenticated() }], log: () => undefined })
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  app.get('/payments', { onRequest: requireBoundToken({ verify }) }, () => 'paid')
  return (await caller.inject(app, request)).statusCode
}

async function bind(): Promise<unknown> {
  const [leaf = assert.fail('no leaf')] = (await caller.svid()).certificates
  return { cnf: { 'x5t#S256': createHash('sha256').update(leaf).digest('base64url') } }
}

test('a request without a network needs a token that is bound to the certificate of its caller', async () => {
  assert.equal(await inject(bind), 200)
  assert.equal(await inject(() => ({})), 401)
})

test('a request without a network is denied if its caller expires while verify waits', async (t) => {
  const { expiresAt } = await caller.svid()
  t.after(() => mock.timers.reset())

  const status = await inject(async () => {
    const claims = await bind()
    mock.timers.enable({ apis: ['Date'], now: expiresAt + 60_000 })
    return claims
  })
  assert.notEqual(status, 200)
})
