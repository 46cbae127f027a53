import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { authenticated, createGuard, denyAll, staticSource, type X509Source } from '@countersign/core'
import { isDenial } from '@countersign/core/adapter'
import countersign from '@countersign/fastify'
import { createAuthority } from '@countersign/testkit'
import Fastify, { type FastifyInstance } from 'fastify'
import { refusal } from '../adapters/refusal.ts'
import { admitNow } from '../support/admit-now.ts'

const authority = await createAuthority('saas.example')
const source = await authority.source('spiffe://saas.example/ns/production/sa/billing')
const coreApi = authority.as('spiffe://saas.example/ns/production/sa/core-api')
const rules = [
  { path: '/closed', allow: denyAll() },
  { path: '/**', allow: authenticated() },
]

describe('inject fails', () => {
  const unguarded = refusal('registration_invalid', /without a guard.*app\.register\(countersign/)

  test('for an application without the plugin, whatever it responds', async () => {
    const app = Fastify()
    app.get('/x', { config: { allow: ['spiffe://saas.example/ns/production/sa/analytics'] } }, () => 'handled')
    app.get('/bad', (_request, reply) => reply.code(400).send())
    for (const url of ['/x', '/bad', '/unknown']) await assert.rejects(coreApi.inject(app, url), unguarded, url)
  })

  test('for an application that answers before its guard has decided', async () => {
    const guard = createGuard({ source, rules, log: () => undefined })
    const app = Fastify({ https: guard.tlsOptions() })
    app.addHook('onRequest', (request, reply, done) => {
      if (request.url === '/early') void reply.send('early')
      else done()
    })
    await app.register(countersign, { guard })
    app.get('/early', () => 'late')
    app.get('/x', () => 'handled')
    await assert.rejects(coreApi.inject(app, '/early'), unguarded)
    assert.equal((await coreApi.inject(app, '/x')).statusCode, 200)
  })

  test('for an application without the plugin whose handler calls an application that denies', async () => {
    const guarded = await open(source)
    const app = Fastify()
    app.get('/x', async () => (await coreApi.inject(guarded, '/a//b')).statusCode)
    await assert.rejects(coreApi.inject(app, '/x'), unguarded)
  })

  test('for a guard whose source is not from the testkit', async () => {
    const { svid } = source
    const bundles = { 'saas.example': authority.bundlePem }
    const other = staticSource({ key: svid.keyPem, cert: svid.certificatePem, bundles })
    await assert.rejects(
      coreApi.inject(await open(other), '/x'),
      refusal('registration_invalid', /source of the testkit, such as await authority\.source/),
    )
  })
})

describe('inject returns the response', () => {
  test('of a guard that denies by its rules, the target or the certificate', async () => {
    const app = await open(source)
    assert.equal((await coreApi.inject(app, '/x')).statusCode, 200)
    assert.equal((await coreApi.inject(app, '/closed')).statusCode, 403)
    assert.equal((await coreApi.inject(app, '/unknown')).statusCode, 404)
    assert.equal((await coreApi.inject(app, '/a//b')).statusCode, 400)
    const forged = await authority.issue('spiffe://saas.example/x', { faults: ['two_uri_sans'] })
    assert.equal((await authority.as(forged).inject(app, '/x')).statusCode, 403)
  })

  test('of an application that calls the guard itself, without the plugin', async () => {
    const guard = createGuard({ source, rules, log: () => undefined })
    const app = Fastify()
    app.addHook('onRequest', (request, reply, done) => {
      const verdict = admitNow(guard, request.raw)
      if (isDenial(verdict)) void reply.code(verdict.status).send()
      else done()
    })
    app.get('/x', () => 'handled')
    assert.equal((await coreApi.inject(app, '/x')).statusCode, 200)
    assert.equal((await coreApi.inject(app, '/closed')).statusCode, 403)
    assert.equal((await coreApi.inject(app, '/a//b')).statusCode, 400)
  })

  test('of each of many simultaneous requests, denied or not', async () => {
    const app = await open(source)
    const urls = Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? '/x' : '/a//b'))
    const answers = await Promise.all(urls.map((url) => coreApi.inject(app, url)))
    assert.deepEqual(
      answers.map(({ statusCode }) => statusCode),
      urls.map((url) => (url === '/x' ? 200 : 400)),
    )
  })
})

async function open(from: X509Source): Promise<FastifyInstance> {
  const guard = createGuard({ source: from, rules, log: () => undefined })
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  app.get('/x', () => 'handled')
  app.get('/closed', () => 'handled')
  return app
}
