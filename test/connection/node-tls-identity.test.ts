import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createSecureServer } from 'node:http2'
import { Agent, createServer } from 'node:https'
import { describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { createGuard } from '@countersign/core'
import { createAuthority, Running } from '@countersign/testkit'
import {
  billing,
  coreApi,
  reasonsOf,
  rules,
  sendBehindHandshake,
  type Service,
  start,
  variants,
} from '../adapters/frameworks.ts'
import { refusal } from '../adapters/refusal.ts'
import { verifyIssued } from '../svid/claims.ts'
import { withLife } from '../support/with-life.ts'
import { ask, letIn, optionsOf, serveBare, serveGuarded } from './bare-tls.ts'
import { askThrough, countChain, renegotiate, untilExpired } from './tls-probes.ts'
import { isOpensslAsked } from '../support/openssl-asked.ts'

describe("what Node's `authorized` does not check", { concurrency: true }, async () => {
  const ours = await createAuthority('saas.example')
  const partner = await createAuthority('partner.example')
  const source = await ours.source(billing, { svid: await ours.issue(billing, { ipAddresses: ['127.0.0.1'] }) })
  const caller = await ours.issue(coreApi)
  const { svid: own } = source

  test('refuses an ID of one trust domain signed by the authority of another', async (context) => {
    const forged = await partner.issue(coreApi, { faults: ['foreign_trust_domain'] })
    const bare = await serveBare(context, optionsOf(own, ours, partner))
    assert.deepEqual((await ask(bare.as(forged))).answer, letIn(coreApi))

    const both = await ours.source(billing, { federated: [partner] })
    const guarded = await serveGuarded(context, { source: both, trustDomains: ['saas.example', 'partner.example'] })
    assert.equal((await ask(guarded.as(forged))).answer, undefined)
    assert.deepEqual([guarded.authorized, reasonsOf(guarded)], [[false], ['unknown_authority']])
  })

  test('refuses a leaf that is a CA or may sign, has two URI SANs or an ID without a path', async (context) => {
    const bare = await serveBare(context, optionsOf(own, ours))
    const guarded = await serveGuarded(context, { source })
    for (const [fault, reason] of [
      ['ca_leaf', 'leaf_is_ca'],
      ['key_cert_sign', 'leaf_may_sign'],
      ['two_uri_sans', 'several_uri_sans'],
      ['no_path', 'spiffe_id_without_path'],
    ] as const) {
      const svid = await ours.issue(coreApi, { faults: [fault] })
      assert.ok(isAuthorized((await ask(bare.as(svid))).answer), fault)
      assert.equal((await ask(guarded.as(svid))).answer, undefined, fault)
      assert.equal(reasonsOf(guarded).at(-1), reason)
    }
    assert.deepEqual(
      guarded.authorized,
      Array.from({ length: 4 }, () => isOpensslAsked),
    )
  })

  test('closes an open connection when the certificate expires', (context) =>
    withLife(4, async (life) => {
      const bare = await serveBare(context, optionsOf(own, ours))
      const refusing = await serveGuarded(context, { source, onExpiry: 'refuse' })
      const closing = await serveGuarded(context, { source })
      const shortLived = await ours.issue(coreApi, { ttlSeconds: life.seconds })
      const [peer, refused] = [bare.as(shortLived), refusing.as(shortLived)]
      assert.equal((await peer.fetch('/')).status, 200)
      assert.equal((await refused.fetch('/internal/health')).status, 200)
      const closed = once(await closing.as(shortLived).connect(), 'close')
      life.begun()

      await wait(untilExpired(shortLived))
      assert.deepEqual(await (await peer.fetch('/')).json(), letIn(coreApi))
      assert.equal((await refused.fetch('/internal/health')).status, 403)
      assert.deepEqual([refusing.authorized, reasonsOf(refusing)], [[isOpensslAsked], ['identity_expired']])
      await closed
      assert.deepEqual([closing.authorized, reasonsOf(closing)], [[isOpensslAsked], ['identity_expired']])
    }))

  test('closes an open connection when a bundle loses its authority', async (context) => {
    const leaving = await createAuthority('saas.example', { name: 'leaving' })
    const svid = await leaving.issue(coreApi)
    const bare = await serveBare(context, optionsOf(own, ours, leaving))
    const unguarded = bare.as(svid)
    assert.equal((await unguarded.fetch('/')).status, 200)
    bare.server.setSecureContext(optionsOf(own, ours))
    assert.deepEqual(await (await unguarded.fetch('/')).json(), letIn(coreApi))

    const rotating = await ours.source(billing, { federated: [leaving] })
    const guarded = await serveGuarded(context, { source: rotating })
    const peer = guarded.as(svid)
    assert.equal((await peer.fetch('/internal/health')).status, 200)
    rotating.replace({ bundles: { 'saas.example': ours } })
    await assert.rejects(peer.fetch('/internal/health'))
    assert.equal(guarded.authorized[0], isOpensslAsked)
    assert.deepEqual(reasonsOf(guarded)[0], 'unknown_authority')
  })

  for (const version of ['TLSv1.3', 'TLSv1.2'] as const) {
    test(`a session resumed after its certificate expired authenticates no caller (${version})`, (context) =>
      withLife(4, async (life) => {
        const bare = await serveBare(context, { ...optionsOf(own, ours), maxVersion: version })
        const guarded = await serveGuarded(context, { source, tls: { minVersion: version } }, version)
        const shortLived = await ours.issue(coreApi, { ttlSeconds: life.seconds })
        const unguarded = await ask(bare.as(shortLived))
        const first = await ask(guarded.as(shortLived))
        assert.deepEqual([unguarded.answer, first.answer], [letIn(coreApi), coreApi])
        life.begun()

        await wait(untilExpired(shortLived))
        assert.deepEqual((await ask(bare.as(shortLived), {}, unguarded.session)).answer, letIn(coreApi, true))
        assert.equal((await ask(guarded.as(shortLived), {}, first.session)).answer, undefined)
        assert.deepEqual(guarded.authorized, isOpensslAsked ? [true] : [false, false])
      }))

    test(`a session resumed without certificate and key authenticates no caller (${version})`, async (context) => {
      const bare = await serveBare(context, { ...optionsOf(own, ours), maxVersion: version })
      const { session } = await ask(bare.as(caller))
      assert.deepEqual((await ask(bare.as(null), {}, session)).answer, letIn(coreApi, true))

      const guarded = await serveGuarded(context, { source, tls: { minVersion: version } }, version)
      const first = await ask(guarded.as(caller))
      assert.equal(first.answer, coreApi)
      assert.equal((await ask(guarded.as(null), {}, first.session)).answer, undefined)
      assert.deepEqual(guarded.authorized, isOpensslAsked ? [true] : [false, false])
      assert.deepEqual(reasonsOf(guarded), ['certificate_missing'])
    })
  }

  test('resuming a session whose peer sent an intermediate is a full handshake with the whole chain', async (context) => {
    const lower = await ours.intermediate()
    const svid = await lower.issue(coreApi)
    const bare = await serveBare(context, optionsOf(own, ours))
    const shown: number[] = []
    bare.server.on('secureConnection', (socket: TLSSocket) => shown.push(countChain(socket)))
    const { session } = await ask(bare.as(svid))
    assert.deepEqual((await ask(bare.as(svid), {}, session)).answer, letIn(coreApi, true))
    assert.equal(shown[1], 1)

    // Our own chain contains the intermediate too, because some versions of Node 24 expose no peer's intermediates.
    const below = await ours.source(billing, { svid: await lower.issue(billing) })
    const guarded = await serveGuarded(context, { source: below })
    const resumed: boolean[] = []
    guarded.running.server.on('secureConnection', (socket: TLSSocket) => resumed.push(socket.isSessionReused()))
    const first = await ask(guarded.as(svid))
    assert.deepEqual([first.answer, (await ask(guarded.as(svid), {}, first.session)).answer], [coreApi, coreApi])
    assert.deepEqual(resumed, [false, false])
  })

  test('refuses a resumed session without a certificate, and a server that allows one', async (context) => {
    const bare = await serveBare(context, { ...optionsOf(own, ours), rejectUnauthorized: false })
    const { session } = await ask(bare.as(null))
    const { answer } = await ask(bare.as(null), {}, session)
    // Newer versions return false.
    const authorized = process.version.startsWith('v20.') ? true : isAuthorized(answer)
    assert.deepEqual(answer, { authorized, resumed: true, names: null })

    const guard = createGuard({ source, rules })
    const server = createServer({ ...guard.tlsOptions(), rejectUnauthorized: !isOpensslAsked })
    assert.throws(() => guard.attach(server), refusal('server_unsuitable', /rejectUnauthorized/))
    const guarded = await serveGuarded(context, { source })
    assert.equal((await ask(guarded.as(null), {}, session)).answer, undefined)
    assert.deepEqual(guarded.authorized, isOpensslAsked ? [] : [false])
    assert.deepEqual(reasonsOf(guarded), ['certificate_missing'])
  })

  test('a renegotiation in TLS 1.2 fails', async (context) => {
    const bare = await serveBare(context, { ...optionsOf(own, ours), maxVersion: 'TLSv1.2' })
    assert.equal(await renegotiate(bare.running, caller), true)
    const guarded = await serveGuarded(context, { source, tls: { minVersion: 'TLSv1.2' } }, 'TLSv1.2')
    assert.equal(await renegotiate(guarded.running, caller), false)

    const byDefault = await serveGuarded(context, { source })
    assert.equal((await ask(byDefault.running.as(caller, { maxVersion: 'TLSv1.2' }))).answer, undefined)
  })

  test("an agent's checkServerIdentity runs on each connection if no session is cached", async (context) => {
    const bare = await serveBare(context, optionsOf(own, ours))
    const guarded = await serveGuarded(context, { source })
    const countChecks = async (running: Running, maxCachedSessions?: number): Promise<number> => {
      let checks = 0
      const checkServerIdentity = (): undefined => void (checks += 1)
      const cached = maxCachedSessions === undefined ? {} : { maxCachedSessions }
      const agent = new Agent({ ...optionsOf(caller, ours), ...cached, checkServerIdentity })
      for (let count = 0; count < 3; count += 1) await askThrough(agent, running)
      agent.destroy()
      return checks
    }
    assert.equal(await countChecks(bare.running), 1)
    assert.equal(await countChecks(bare.running, 0), 3)
    assert.equal(await countChecks(guarded.running), 3)

    const peer = bare.as(caller)
    for (let count = 0; count < 3; count += 1) {
      const response = await peer.fetch('/', { headers: { connection: 'close' } })
      assert.deepEqual(await response.json(), letIn(coreApi))
    }
  })

  test('our verifier also refuses a server-only EKU and a keyEncipherment-only key usage', async (context) => {
    const guarded = await serveGuarded(context, { source })
    for (const [options, reason] of [
      [{ extendedKeyUsages: ['serverAuth'] }, 'extended_key_usage_incomplete'],
      [{ keyUsages: ['keyEncipherment'] }, 'digital_signature_missing'],
    ] as const) {
      assert.equal((await ask(guarded.as(await ours.issue(coreApi, options)))).answer, undefined)
      const event = guarded.events.at(-1)
      assert.ok(event?.type === 'authentication')
      assert.equal(event.reason, reason)
      assert.equal(await verifyIssued(options), reason)
    }
    assert.ok(!guarded.authorized.includes(true))

    for (const excluded of [
      { type: 'uri', value: 'saas.example' },
      { type: 'dns', value: 'saas.example' },
      { type: 'ip', value: '10.0.0.0/8' },
      { type: 'directory', value: { C: 'US' } },
    ] as const) {
      const narrow = await createAuthority('saas.example', { nameConstraints: { excluded: [excluded] } })
      const names = { dnsNames: ['api.saas.example'], ipAddresses: ['10.1.2.3'] }
      assert.equal(await verifyIssued(names, narrow), 'name_constraint_violated', excluded.type)
    }
    assert.equal(await verifyIssued({ faults: ['unknown_critical_extension'] }), 'unknown_critical_extension')
    assert.equal(await verifyIssued({ faults: ['sha1_signature'] }), 'weak_signature')
    assert.equal(await verifyIssued({ faults: ['weak_key'] }), 'weak_key')
    assert.equal(await verifyIssued({ keyType: 'RSA-2048' }), 'ok')
  })

  for (const variant of variants.filter(({ tlsVersion }) => tlsVersion === 'TLSv1.3')) {
    test(`a request sent right after the handshake of a destroyed connection reaches no handler (${variant.name})`, async () => {
      // Certificates that OpenSSL accepts, so our verifier has to close the connection.
      const forged = await ours.issue(coreApi, { faults: ['no_path'] })
      const handled: string[] = []
      const options = { ...optionsOf(own, ours), requestCert: true, rejectUnauthorized: true }
      const server = variant.http2
        ? createSecureServer(options, ({ url }) => void handled.push(url))
        : createServer(options, ({ url }) => void handled.push(url ?? ''))
      server.on('secureConnection', (socket: TLSSocket) => socket.destroy())
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      await using running = new Running(server, async () => void server.close())
      await using service = await start(variant, { source })

      const bare: Service = { ...service, running }
      assert.equal(await sendBehindHandshake(bare, variant, forged), '')
      assert.deepEqual(handled, ['/internal/health'])

      assert.equal(await sendBehindHandshake(service, variant, forged), '')
      assert.deepEqual([service.authorized, service.handled], [[isOpensslAsked], []])
      assert.equal(reasonsOf(service)[0], 'spiffe_id_without_path')
    })
  }

  test('a peer of an unknown authority sees a completed handshake and a clean close, and the log has the reason', async (context) => {
    const stranger = await createAuthority('saas.example', { name: 'stranger' })
    const guarded = await serveGuarded(context, { source })
    const socket = await guarded.as(await stranger.issue(coreApi)).connect()
    assert.equal(socket.getProtocol(), 'TLSv1.3')
    if (!socket.closed) await once(socket, 'close')
    const event = guarded.events.at(-1)
    assert.ok(event?.type === 'authentication')
    assert.equal(event.reason, 'unknown_authority')
  })
})

function isAuthorized(answer: unknown): boolean {
  return typeof answer === 'object' && answer !== null && 'authorized' in answer && answer.authorized === true
}
