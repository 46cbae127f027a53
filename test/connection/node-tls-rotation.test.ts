import assert from 'node:assert/strict'
import { constants, randomBytes } from 'node:crypto'
import { Agent, createServer } from 'node:https'
import { describe, test } from 'node:test'
import { createSecureContext } from 'node:tls'
import { createGuard } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'
import { Agent as UndiciAgent, buildConnector, fetch as undiciFetch, request } from 'undici'
import { analyticsService, billing, coreApi, reasonsOf, rules } from '../adapters/frameworks.ts'
import { refusal } from '../adapters/refusal.ts'
import { ask, letIn, optionsOf, serialOf, serveBare, serveGuarded } from './bare-tls.ts'
import { askThrough } from './tls-probes.ts'
import { isOpensslAsked } from '../support/openssl-asked.ts'

describe("what a rotation does to Node's TLS", { concurrency: true }, async () => {
  const authority = await createAuthority('saas.example')
  const successor = await createAuthority('saas.example', { name: 'successor' })
  const reachable = { ipAddresses: ['127.0.0.1'] }
  const own = await authority.issue(billing, reachable)
  const next = await authority.issue(billing, reachable)
  const [caller, other] = [await authority.issue(coreApi), await authority.issue(analyticsService)]

  test('serves a new key and certificate at the next handshake, and resumes no earlier session', async (context) => {
    const bare = await serveBare(context, optionsOf(own, authority))
    const before = await ask(bare.as(caller))
    bare.server.setSecureContext(optionsOf(next, authority))
    const after = await ask(bare.as(caller), {}, before.session)
    assert.deepEqual([after.answer, after.serial], [letIn(coreApi), serialOf(next.serialNumber)])

    const source = await authority.source(billing, { svid: own })
    const guarded = await serveGuarded(context, { source })
    const { session, serial } = await ask(guarded.as(caller))
    assert.equal(serial, serialOf(own.serialNumber))
    source.replace({ svid: next })
    const again = await ask(guarded.as(caller), {}, session)
    assert.deepEqual([again.answer, again.serial], [coreApi, serialOf(next.serialNumber)])
    assert.equal((await ask(guarded.as(null), {}, session)).answer, undefined)
  })

  test('replaces key and certificate together with the authorities, without which every peer would be refused', async (context) => {
    const bare = await serveBare(context, optionsOf(own, authority))
    bare.server.setSecureContext({ key: next.keyPem, cert: next.certificatePem })
    assert.equal((await ask(bare.as(caller))).answer, undefined)

    const source = await authority.source(billing, { svid: own })
    const guarded = await serveGuarded(context, { source })
    source.replace({ svid: next })
    assert.equal((await ask(guarded.as(caller))).answer, coreApi)
  })

  test('replaces key and certificate together with secureOptions and minVersion, without which tickets and TLS 1.2 would return', async (context) => {
    const strict = { minVersion: 'TLSv1.3', secureOptions: constants.SSL_OP_NO_TICKET } as const
    const bare = await serveBare(context, { ...optionsOf(own, authority), ...strict })
    const old = { maxVersion: 'TLSv1.2' } as const
    const strictly = await ask(bare.as(caller))
    assert.equal((await ask(bare.as(null), {}, strictly.session)).answer, undefined)
    assert.equal((await ask(bare.as(caller), old)).answer, undefined)
    bare.server.setSecureContext(optionsOf(next, authority))
    const { session } = await ask(bare.as(caller))
    assert.deepEqual((await ask(bare.as(null), {}, session)).answer, letIn(coreApi, true))
    assert.deepEqual((await ask(bare.as(caller), old)).answer, letIn(coreApi))

    const source = await authority.source(billing, { svid: own })
    const guarded = await serveGuarded(context, { source })
    source.replace({ svid: next })
    const first = await ask(guarded.as(caller))
    assert.equal(first.answer, coreApi)
    assert.equal((await ask(guarded.as(null), {}, first.session)).answer, undefined)
    assert.equal((await ask(guarded.running.as(caller, old))).answer, undefined)
    assert.deepEqual(reasonsOf(guarded), ['certificate_missing', 'handshake_failed'])
  })

  test('refuses a resumeSession listener, which resumes TLS 1.2 sessions despite SSL_OP_NO_TICKET', async (context) => {
    const secureOptions = constants.SSL_OP_NO_TICKET
    const bare = await serveBare(context, { ...optionsOf(own, authority), secureOptions, maxVersion: 'TLSv1.2' })
    const sessions = new Map<string, Buffer>()
    bare.server.on('newSession', (id: Buffer, session: Buffer, done: () => void) => {
      sessions.set(id.toString('hex'), session)
      done()
    })
    bare.server.on('resumeSession', (id: Buffer, done: (error: Error | null, session: Buffer | null) => void) => {
      done(null, sessions.get(id.toString('hex')) ?? null)
    })
    const { session } = await ask(bare.as(caller))
    assert.deepEqual((await ask(bare.as(null), {}, session)).answer, letIn(coreApi, true))

    const source = await authority.source(billing, { svid: own })
    for (const event of ['newSession', 'resumeSession']) {
      const guard = createGuard({ source, rules, tls: { minVersion: 'TLSv1.2' } })
      const [spoilt, attached] = [createServer({ ...guard.tlsOptions() }), createServer({ ...guard.tlsOptions() })]
      spoilt.on(event, () => undefined)
      assert.throws(() => guard.attach(spoilt), refusal('server_unsuitable', new RegExp(event)))
      guard.attach(attached)
      assert.throws(() => attached.on(event, () => undefined), refusal('server_unsuitable', new RegExp(event)))
    }
  })

  test('a withdrawn authority closes open connections, and not only new handshakes and tickets', async (context) => {
    const bare = await serveBare(context, optionsOf(own, authority))
    const open = bare.as(caller)
    assert.equal((await open.fetch('/')).status, 200)
    const { session } = await ask(bare.as(caller))
    bare.server.setSecureContext(optionsOf(own, successor))
    assert.equal((await ask(bare.as(caller))).answer, undefined)
    assert.equal((await ask(bare.as(null), {}, session)).answer, undefined)
    assert.deepEqual(await (await open.fetch('/')).json(), letIn(coreApi))

    const source = await authority.source(billing, { svid: own })
    const guarded = await serveGuarded(context, { source })
    const peer = guarded.as(caller)
    assert.equal((await peer.fetch('/internal/health')).status, 200)
    const before = await ask(guarded.as(caller))
    source.replace({ svid: await successor.issue(billing), bundles: { 'saas.example': successor } })
    await assert.rejects(peer.fetch('/internal/health'))
    assert.equal(reasonsOf(guarded)[0], 'unknown_authority')
    assert.equal((await ask(guarded.as(caller))).answer, undefined)
    assert.equal((await ask(guarded.as(null), {}, before.session)).answer, undefined)
    assert.equal(guarded.handled.length, 2)
  })

  test('refuses ticketKeys, with which old tickets outlive their authority', async (context) => {
    const ticketKeys = randomBytes(48)
    const bare = await serveBare(context, { ...optionsOf(own, authority), ticketKeys })
    const { session } = await ask(bare.as(caller))
    bare.server.setSecureContext({ ...optionsOf(own, successor), ticketKeys })
    assert.equal((await ask(bare.as(caller))).answer, undefined)
    assert.deepEqual((await ask(bare.as(null), {}, session)).answer, letIn(coreApi, true))

    const source = await authority.source(billing, { svid: own })
    const guard = createGuard({ source, rules })
    const spoilt = createServer({ ...guard.tlsOptions(), ticketKeys })
    assert.throws(() => guard.attach(spoilt), refusal('server_unsuitable', /ticketKeys/))
    const attached = createServer({ ...guard.tlsOptions() })
    guard.attach(attached)
    assert.throws(() => attached.setTicketKeys(ticketKeys), refusal('server_unsuitable', /setTicketKeys/))
  })

  test('an https.Agent whose key and cert are replaced presents the new workload on new connections', async (context) => {
    const source = await authority.source(billing, { svid: own })
    const bare = await serveBare(context, optionsOf(own, authority))
    const guarded = await serveGuarded(context, { source })
    const agent = new Agent({ ...optionsOf(caller, authority), keepAlive: true })
    context.after(() => agent.destroy())
    assert.deepEqual(await askThrough(agent, bare.running), letIn(coreApi))
    assert.equal(await askThrough(agent, guarded.running), coreApi)
    Object.assign(agent.options, optionsOf(other, authority))
    assert.deepEqual(await askThrough(agent, bare.running), letIn(analyticsService))
    assert.equal(await askThrough(agent, guarded.running), analyticsService)
    assert.deepEqual(guarded.authorized, [isOpensslAsked, isOpensslAsked])
  })

  test('an https.Agent whose secureContext is replaced presents the new workload, with maxCachedSessions 0 or a guard', async (context) => {
    const source = await authority.source(billing, { svid: own })
    const bare = await serveBare(context, optionsOf(own, authority))
    const guarded = await serveGuarded(context, { source })
    const callTwice = async (running: typeof bare.running, cached: { readonly maxCachedSessions?: number }) => {
      const agent = new Agent({ ...cached, secureContext: createSecureContext(optionsOf(caller, authority)) })
      const first = await askThrough(agent, running)
      Object.assign(agent.options, { secureContext: createSecureContext(optionsOf(other, authority)) })
      const second = await askThrough(agent, running)
      agent.destroy()
      return [first, second]
    }
    assert.deepEqual(await callTwice(bare.running, {}), [letIn(coreApi), letIn(coreApi, true)])
    assert.deepEqual(await callTwice(bare.running, { maxCachedSessions: 0 }), [letIn(coreApi), letIn(analyticsService)])
    assert.deepEqual(await callTwice(guarded.running, {}), [coreApi, analyticsService])
    // A testkit peer has a separate pool for each SVID.
    for (const svid of [caller, other]) {
      assert.deepEqual(await (await bare.as(svid).fetch('/')).json(), letIn(svid.spiffeId))
    }
  })

  test('an undici Agent ignores changed connect options, so each SVID needs its own connector', async (context) => {
    const source = await authority.source(billing, { svid: own })
    const { running, authorized } = await serveGuarded(context, { source })
    const connect = optionsOf(caller, authority)
    const first = new UndiciAgent({ connect })
    // A new connection for each request: `reset` closes the previous one.
    const callThrough = async (dispatcher: UndiciAgent): Promise<unknown> => {
      const { body } = await request(`${running.url}/internal/health`, { dispatcher, reset: true })
      return body.json()
    }
    assert.equal(await callThrough(first), coreApi)
    Object.assign(connect, optionsOf(other, authority))
    assert.equal(await callThrough(first), coreApi)
    assert.equal(authorized.length, 2)

    const second = new UndiciAgent({
      connect: buildConnector({ ...optionsOf(other, authority), maxCachedSessions: 0 }),
    })
    assert.equal(await callThrough(second), analyticsService)
    await first.close()
    await assert.rejects(callThrough(first))
    await second.close()
  })

  test("undici's own fetch accepts undici's Agent on every version of Node", async (context) => {
    const source = await authority.source(billing, { svid: own })
    const { running } = await serveGuarded(context, { source })
    const dispatcher = new UndiciAgent({ connect: optionsOf(caller, authority) })
    const response = await undiciFetch(`${running.url}/internal/health`, { dispatcher })
    assert.deepEqual([response.status, await response.json()], [200, coreApi])
    await dispatcher.close()
  })
})
