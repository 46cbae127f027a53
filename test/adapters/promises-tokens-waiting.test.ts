import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientHttp2Stream, connect as connectHttp2, constants } from 'node:http2'
import { connect as connectTcp } from 'node:net'
import { describe, test, type TestContext } from 'node:test'
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { anyOf, authenticated, provenBy } from '@countersign/core'
import { createAuthority, type TestSource } from '@countersign/testkit'
import {
  ask,
  everywhere,
  idOf,
  keepConnection,
  type Service,
  setups,
  startService,
  upgrade,
} from './credential-service.ts'
import { formats, listProxy, proxyId } from './forwarded-headers.ts'
import {
  bearer,
  createBundles,
  holdSignatures,
  issueToken,
  nextSigner,
  type ReplaceableBundles,
  signer,
} from './token-service.ts'

const authority = await createAuthority('saas.example')
const [proxy, replica] = [await authority.issue(proxyId), await authority.issue(proxyId)]
const [{ format } = assert.fail()] = formats
const rules = everywhere(anyOf(authenticated(), provenBy('jwt-svid')))

interface Started {
  readonly service: Service
  readonly source: TestSource
  readonly bundles: ReplaceableBundles
}

async function start(context: TestContext, setup: Service['setup']): Promise<Started> {
  const bundles = createBundles()
  const source = await authority.source(idOf('billing'))
  const jwtSvid = { audiences: ['billing'], bundles, withoutCertificate: true as const }
  const credentials = { forwarded: { proxies: [listProxy({ tokens: true })], format }, jwtSvid }
  const service = await startService(context, setup, { source, rules, credentials })
  // So that only the signature is left to wait for.
  await ask(service.as(null), '/open/warm', bearer(issueToken('warm')))
  return { service, source, bundles }
}

/** A clock that only the test moves. */
function takeClock({ mock }: TestContext): (milliseconds: number) => void {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Math.ceil(Date.now() / 1000) * 1000 })
  return (milliseconds) => {
    for (let rest = milliseconds; rest > 0; rest -= 30_000) mock.timers.tick(Math.min(rest, 30_000))
  }
}

describe('promise 11: nothing that changes while a token is verified is missed', () => {
  for (const setup of setups) {
    test(`${setup.name}: requests with the same token share one verification, and later ones need none`, async (context) => {
      const { service } = await start(context, setup)
      const held = holdSignatures(context)
      const headers = bearer(issueToken('orders'))
      const peers = Array.from({ length: 8 }, (_, index) => service.as(index % 2 === 0 ? proxy : null))
      const answers = peers.map((peer) => ask(peer, '/open', headers))
      await held.reached(1)
      await turn()
      assert.equal(service.seen.length, 1)
      held.release()
      for (const [index, answer] of answers.entries()) {
        assert.deepEqual(await answer, [idOf('orders'), index % 2 === 0 ? proxyId : null])
      }
      assert.deepEqual(await ask(service.as(replica), '/open', headers), [idOf('orders'), proxyId])
      await held.reached(1)
    })

    for (const [what, change, status] of changes) {
      test(`${setup.name}: denies the request if ${what}`, async (context) => {
        const pass = takeClock(context)
        const started = await start(context, setup)
        const { service } = started
        const held = holdSignatures(context)
        const answer = service.as(proxy).fetch('/open', { headers: bearer(issueToken('orders')) })
        const direct = service.as(null).fetch('/open', { headers: bearer(issueToken('reports')) })
        await held.reached(2)
        change(started, pass)
        held.release()
        for (const asked of [answer, direct]) {
          // A connection that is closed gets no answer.
          const found = await asked.then(
            (response) => response.status,
            () => 'closed',
          )
          assert.ok(found === status || found === 'closed', String(found))
        }
        assert.equal(service.seen.length, 1)
      })
    }

    test(`${setup.name}: allows the request if the bundle changes meanwhile and still verifies the token`, async (context) => {
      const { service, bundles } = await start(context, setup)
      const held = holdSignatures(context)
      const answer = ask(service.as(proxy), '/open', bearer(issueToken('orders')))
      await held.reached(1)
      bundles.replace('saas.example', nextSigner, signer)
      held.release()
      assert.deepEqual(await answer, [idOf('orders'), proxyId])
      await held.reached(2)
    })

    test(`${setup.name}: denies the request if the bundle is another one each time`, async (context) => {
      const source = await authority.source(idOf('billing'))
      const bundles = { current: () => createBundles().current(), onChange: () => () => undefined }
      const jwtSvid = { audiences: ['billing'], bundles, withoutCertificate: true as const }
      const service = await startService(context, setup, { source, rules, credentials: { jwtSvid } })
      assert.equal(await ask(service.as(null), '/open', bearer(issueToken('orders'))), 401)
      assert.deepEqual(service.seen, [])
    })

    test(`${setup.name}: an expired token ends its response, and not its connection`, async (context) => {
      const pass = takeClock(context)
      const { service } = await start(context, setup)
      const brief = bearer(issueToken('orders', { exp: Math.floor(Date.now() / 1000) + 120 }))
      const connection = await keepConnection(service, proxy)
      const response = await connection.begin(brief)
      const upgraded = setup.http2 ? undefined : await upgrade(service, null, brief)
      const peer = service.as(proxy)
      assert.deepEqual(await ask(peer, '/open', brief), [idOf('orders'), proxyId])
      pass(119_000)
      assert.ok(response.isOpen())
      pass(1000)
      assert.deepEqual(await response.ended, { isComplete: false })
      await upgraded?.ended
      assert.equal(await ask(peer, '/open', brief), 401)
      if (setup.http2) assert.ok(connection.isOpen())
    })

    test(`${setup.name}: another bundle ends the responses of tokens that it does not verify, and no others`, async (context) => {
      const { service, bundles, source } = await start(context, setup)
      bundles.replace('saas.example', signer, nextSigner)
      const begin = async (svid: typeof proxy | null, token: string) =>
        (await keepConnection(service, svid)).begin(bearer(token))
      const shared = issueToken('orders')
      const withdrawn = [
        await begin(proxy, issueToken('orders', {}, {}, nextSigner)),
        await begin(null, issueToken('orders', {}, {}, nextSigner)),
      ]
      const staying = [await begin(proxy, shared), await begin(null, shared), await begin(replica, shared)]
      const upgraded = setup.http2 ? [] : [await upgrade(service, null, bearer(shared))]
      const isOpen = (): readonly boolean[] => [...staying, ...upgraded].map((each) => each.isOpen())
      // Other material, and a bundle of another trust domain.
      source.replace({ svid: await authority.issue(idOf('billing')) })
      bundles.replace('partner.example', nextSigner)
      bundles.replace('saas.example', signer)
      for (const { ended } of withdrawn) assert.deepEqual(await ended, { isComplete: false })
      bundles.replace('saas.example', nextSigner, signer)
      assert.deepEqual(await ask(service.as(null), '/open', bearer(shared)), [idOf('orders'), null])
      bundles.replace('saas.example', signer)
      assert.deepEqual(await ask(service.as(proxy), '/open', bearer(shared)), [idOf('orders'), proxyId])
      assert.ok(!isOpen().includes(false))
      bundles.replace('saas.example', nextSigner)
      for (const { ended } of [...staying, ...upgraded]) await ended
      assert.equal(await ask(service.as(null), '/open', bearer(shared)), 401)
    })
  }

  for (const setup of setups.filter(({ http2 }) => !http2)) {
    test(`${setup.name}: starts no handler for a caller that gave up`, async (context) => {
      const { service } = await start(context, setup)
      const held = holdSignatures(context)
      const answers = [proxy, null].map(async (svid, index) => {
        const peer = service.as(svid)
        const answer = peer.fetch('/open', { headers: bearer(issueToken(`caller-${index}`)) })
        await held.reached(2)
        peer.close()
        return assert.rejects(answer)
      })
      await Promise.all(answers)
      await waitForConnections(service, 1)
      held.release()
      await ask(service.as(null), '/open/late', bearer(issueToken('late')))
      assert.deepEqual(pathsOf(service), ['/open/warm', '/open/late'])
      assert.deepEqual(
        service.events.filter(({ type }) => type === 'denial'),
        [],
      )
    })

    test(`${setup.name}: an upgrade that waits is answered like any other`, async (context) => {
      const { service } = await start(context, setup)
      const held = holdSignatures(context)
      const allowed = upgrade(service, null, bearer(issueToken('orders')))
      const socket = await service.running.as(null).connect()
      socket.write(`${writeUpgrade(issueToken('orders', {}, { kid: 'first' }, nextSigner))}behind it`)
      await held.reached(2)
      held.release()
      const { isOpen } = await allowed
      assert.match(String(await once(socket, 'data')), /^HTTP\/1\.1 401 /)
      await once(socket, 'close')
      assert.deepEqual(pathsOf(service), ['/open/warm', '/open'])
      assert.ok(isOpen())
    })

    test(`${setup.name}: an upgrade that is closed while it waits reaches no listener, and leaves nothing open`, async (context) => {
      const { service } = await start(context, setup)
      const held = holdSignatures(context)
      let begun = 0
      for (const by of [signer, nextSigner]) {
        for (const end of ['reset', 'destroy', 'error', 'end'] as const) {
          const accepted = new Promise<TLSSocket>((resolve) => service.running.server.once('secureConnection', resolve))
          const transport = connectTcp(service.running.port, '127.0.0.1')
          const socket = await service.running.as(null).connect({ socket: transport })
          socket.write(writeUpgrade(issueToken(`${end}-${by.jwk.kid}`, {}, { kid: 'first' }, by)))
          begun += 1
          await held.reached(begun)
          const served = await accepted
          const closed = new Promise((resolve) => served.once('close', resolve))
          if (end === 'reset') transport.resetAndDestroy()
          // As Node does when it reads from a connection that was reset.
          else if (end === 'error') served.destroy(new Error('read ECONNRESET'))
          else socket[end]()
          // A connection of which the client has closed its half may stay open until it is answered.
          if (end !== 'end') await closed
        }
      }
      held.release()
      await waitForConnections(service, 1)
      assert.deepEqual(pathsOf(service), ['/open/warm'])
      await ask(service.as(null), '/open/late', bearer(issueToken('late')))
    })
  }

  test('HTTP/2: a stream or session that is closed while it waits reaches no handler', async (context) => {
    const setup = setups.find(({ http2 }) => http2) ?? assert.fail()
    const { service } = await start(context, setup)
    const held = holdSignatures(context)
    const socket = await service.running.as(proxy).connect({ ALPNProtocols: ['h2'] })
    const session = connectHttp2(service.running.url, { createConnection: () => socket })
    context.after(() => session.destroy())
    const begin = (name: string, path: string): ClientHttp2Stream => {
      const stream = session.request({ ...bearer(issueToken(name)), ':path': path })
      return stream.on('error', () => undefined).resume()
    }
    for (const [index, path] of ['/open', '/long'].entries()) {
      const stream = begin(path.slice(1), path)
      await held.reached(index + 1)
      stream.close(constants.NGHTTP2_CANCEL)
      await once(stream, 'close')
    }
    await new Promise<void>((resolve) => session.ping(() => resolve()))
    const other = service.as(null)
    const answer = other.fetch('/open', { headers: bearer(issueToken('session')) })
    await held.reached(3)
    other.close()
    await assert.rejects(answer)
    await waitForConnections(service, 2)
    const last = begin('late', '/open/late')
    await held.reached(4)
    held.release()
    await once(last, 'end')
    assert.deepEqual(pathsOf(service), ['/open/warm', '/open/late'])
    assert.deepEqual(
      service.events.filter(({ type }) => type === 'denial'),
      [],
    )
  })
})

const changes: readonly (readonly [
  string,
  (started: Started, pass: (milliseconds: number) => void) => void,
  number,
])[] = [
  ['the bundle changes meanwhile', ({ bundles }) => bundles.replace('saas.example', nextSigner), 401],
  ['the token expires meanwhile', (_started, pass) => pass(300_000), 401],
  ['the identity of this service is withdrawn meanwhile', ({ source }) => source.withdraw(), 503],
]

function writeUpgrade(token: string): string {
  const lines = ['Host: a', 'Connection: Upgrade', 'Upgrade: echo', `Authorization: Bearer ${token}`]
  return ['GET /open HTTP/1.1', ...lines, '', ''].join('\r\n')
}

function pathsOf({ seen }: Service): readonly string[] {
  return seen.map(({ path }) => path)
}

/** Waits until the server has this many connections. */
async function waitForConnections({ running }: Service, expected: number): Promise<void> {
  for (;;) {
    const found = await new Promise((resolve) => {
      running.server.getConnections((_error, count) => resolve(count))
    })
    if (found === expected) return
    await wait(5)
  }
}
