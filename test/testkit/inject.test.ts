import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { injectedCaller } from '@countersign/core/testing'
import { type Authority, createAuthority, type TestSource } from '@countersign/testkit'
import Fastify, { type FastifyInstance } from 'fastify'

const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'
const analytics = 'spiffe://saas.example/ns/production/sa/analytics'

describe('an injected request', () => {
  let authority: Authority
  let source: TestSource

  before(async () => {
    authority = await createAuthority('saas.example')
    source = await authority.source('spiffe://saas.example/ns/production/sa/billing')
  })

  /** An application that responds with the hash of the leaf of its source's caller. */
  function createApp(): FastifyInstance {
    const app = Fastify()
    app.get('/', () => describeCaller(source))
    return app
  }

  test("presents the caller's chain to the source", async () => {
    const svid = await authority.issue(coreApi)
    const response = await authority.as(svid).inject(createApp(), '/')
    assert.equal(response.statusCode, 200)
    assert.equal(response.body, toText(svid.certificates))
  })

  test('also presents the intermediates', async () => {
    const intermediate = await authority.intermediate()
    const svid = await intermediate.issue(coreApi)
    const response = await intermediate.as(svid).inject(createApp(), { method: 'GET', url: '/' })
    assert.equal(response.body, toText([...svid.certificates]))
    assert.equal(svid.certificates.length, 2)
  })

  test('has no caller if it is injected without one', async () => {
    const app = createApp()
    await authority.as(coreApi).inject(app, '/')
    assert.equal((await app.inject('/')).body, 'nobody')
  })

  test('uses its caller only for the first call', async () => {
    const app = Fastify()
    app.get('/', () => ({ first: describeCaller(source), second: describeCaller(source) }))
    const svid = await authority.issue(coreApi)
    const response = await authority.as(svid).inject(app, '/')
    assert.deepEqual(response.json(), { first: toText(svid.certificates), second: 'nobody' })
  })

  test('does not pass its caller to a request that its handler injects, unless that has its own', async () => {
    const app = createApp()
    const [outer, inner] = await Promise.all([authority.issue(coreApi), authority.issue(analytics)])
    app.get('/outer', async () => {
      const caller = describeCaller(source)
      const without = (await app.inject('/')).body
      const within = (await authority.as(inner).inject(app, '/')).body
      return { caller, without, within }
    })
    const response = await authority.as(outer).inject(app, '/outer')
    assert.deepEqual(response.json(), {
      caller: toText(outer.certificates),
      without: 'nobody',
      within: toText(inner.certificates),
    })
  })

  test('does not pass its caller to requests of startup hooks', async () => {
    const app = createApp()
    let seen = ''
    app.addHook('onReady', () => {
      seen = describeCaller(source)
    })
    const response = await authority.as(coreApi).inject(app, '/')
    assert.equal(seen, 'nobody')
    assert.notEqual(response.body, 'nobody')
  })

  test('keeps concurrent callers separate', async () => {
    const app = Fastify()
    app.addHook('onRequest', async () => {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    })
    app.get('/', () => describeCaller(source))
    const svids = await Promise.all([coreApi, analytics, coreApi, analytics].map((id) => authority.issue(id)))
    const responses = await Promise.all(svids.map((svid) => authority.as(svid).inject(app, '/')))
    assert.deepEqual(
      responses.map(({ body }) => body),
      svids.map(({ certificates }) => toText(certificates)),
    )
  })

  test('always presents the same SVID for one caller', async () => {
    const app = createApp()
    const caller = authority.as(coreApi)
    const [first, second] = await Promise.all([caller.inject(app, '/'), caller.inject(app, '/')])
    assert.equal(first.body, second.body)
    assert.equal(first.body, toText((await caller.svid()).certificates))
  })
})

function describeCaller(source: TestSource): string {
  const chain = source[injectedCaller]()
  return chain === undefined ? 'nobody' : toText(chain)
}

function toText(chain: readonly Uint8Array[]): string {
  return chain.map((der) => Buffer.from(der).toString('base64')).join(' ')
}
