import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { TLSSocket } from 'node:tls'
import { applyCrls } from '@countersign/spiffe'
import {
  authenticated,
  createMaterial,
  createReplaceableSource,
  X509Bundle,
  type X509Material,
} from '@countersign/core'
import { createAuthority } from '@countersign/testkit'
import { crlOf } from '../trust/crls.ts'
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

const authority = await createAuthority('saas.example')
const successor = await createAuthority('saas.example')
const intermediate = await authority.intermediate()
const ours = await authority.issue(idOf('billing'))
const [proxy, replica] = [await authority.issue(proxyId), await authority.issue(proxyId)]
const [orders, reports] = [await authority.issue(idOf('orders')), await authority.issue(idOf('reports'))]
const deep = await intermediate.issue(idOf('deep'))
const demanded: ReadonlySet<string> = new Set(['saas.example'])
const rules = everywhere(authenticated())
const [{ format, write } = assert.fail()] = formats
const credentials = { forwarded: { proxies: [listProxy()], format } }

function materialWith(crls: readonly Uint8Array[] = [], authorities = [authority], svid = ours): X509Material {
  const bundle = X509Bundle.parse('saas.example', authorities.map(({ bundlePem }) => bundlePem).join(''))
  const bundles = new Map([['saas.example', bundle]])
  const applied = crls.length === 0 ? bundles : applyCrls(bundles, crls, demanded)
  return createMaterial({ key: svid.keyPem, cert: svid.certificatePem, bundles: Object.fromEntries(applied) })
}

/** Takes the clock, in the first millisecond of a second. */
function takeClock({ mock }: TestContext): (milliseconds: number) => void {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Math.ceil(Date.now() / 1000) * 1000 })
  return (milliseconds) => {
    for (let rest = milliseconds; rest > 0; rest -= 30_000) mock.timers.tick(Math.min(rest, 30_000))
  }
}

describe('promise 11: what a proxy forwards counts as long as it is proven, and ends alone', () => {
  for (const setup of setups) {
    test(`${setup.name}: a certificate that expires ends its own running response, and is refused from then on`, async (context) => {
      const pass = takeClock(context)
      const brief = await authority.issue(idOf('brief'), { ttlSeconds: 120, now: Date.now() })
      const source = createReplaceableSource(materialWith())
      const service = await startService(context, setup, { source, rules, credentials })
      const peer = service.as(proxy)
      assert.deepEqual(await ask(peer, '/open', write(brief)), [brief.spiffeId, proxyId])
      const connection = await keepConnection(service, proxy)
      const ending = await connection.begin(write(brief))
      const others = setup.http2 ? connection : await keepConnection(service, proxy)
      const staying = await others.begin(write(reports))
      const upgraded = setup.http2 ? undefined : await upgrade(service, proxy, write(brief))
      pass(119_000)
      assert.deepEqual(await ask(peer, '/open', write(brief)), [brief.spiffeId, proxyId])
      assert.ok(ending.isOpen())
      pass(2000)
      assert.deepEqual(await ending.ended, { isComplete: false })
      await upgraded?.ended
      // Its requests are refused on the connection of the proxy, which stays open for its other callers.
      const handled = service.seen.length
      assert.equal(await ask(peer, '/open', write(brief)), 403)
      assert.equal(service.seen.length, handled)
      assert.deepEqual(await ask(peer, '/open', write(orders)), [orders.spiffeId, proxyId])
      assert.ok(staying.isOpen() && others.isOpen())
    })

    test(`${setup.name}: an expired certificate does not close the connection of the proxy`, async (context) => {
      const pass = takeClock(context)
      const brief = await authority.issue(idOf('brief'), { ttlSeconds: 120, now: Date.now() })
      const source = createReplaceableSource(materialWith())
      const service = await startService(context, setup, { source, rules, credentials })
      const connection = await keepConnection(service, proxy)
      if (setup.http2) await connection.begin(write(orders))
      const peer = service.as(proxy)
      await ask(peer, '/open', write(brief))
      const open = await countConnections(service)
      pass(121_000)
      for (const path of ['/open', '/open/2']) assert.equal(await ask(peer, path, write(brief)), 403)
      assert.equal(await countConnections(service), open)
      assert.deepEqual(await ask(peer, '/open', write(orders)), [orders.spiffeId, proxyId])
      assert.ok(connection.isOpen())
    })

    test(`${setup.name}: a certificate that is not valid yet is refused, also if the clock was set back`, async (context) => {
      const now = Date.now()
      const source = createReplaceableSource(materialWith())
      const service = await startService(context, setup, { source, rules, credentials })
      const young = await authority.issue(idOf('young'), { notBefore: now - 2000 })
      const peer = service.as(await authority.issue(proxyId, { notBefore: now - 60_000 }))
      assert.deepEqual(await ask(peer, '/open', write(young)), [young.spiffeId, proxyId])
      context.mock.method(Date, 'now', () => now - 5000)
      assert.equal(await ask(peer, '/open', write(young)), 403)
      assert.equal(service.seen.length, 1)
    })

    test(`${setup.name}: the connection of a proxy is from nobody`, async (context) => {
      const source = createReplaceableSource(materialWith())
      const service = await startService(context, setup, { source, rules, credentials })
      const found: unknown[] = []
      for (const svid of [proxy, orders]) {
        const accepted = new Promise<unknown>((resolve) => service.running.server.once('secureConnection', resolve))
        await service.running.as(svid).connect(setup.http2 ? { ALPNProtocols: ['h2'] } : {})
        const socket = await accepted
        assert.ok(socket instanceof TLSSocket)
        const verdict = service.guard.authenticate(socket)
        found.push('name' in verdict ? verdict.name : verdict.reason)
      }
      assert.deepEqual(found, ['unauthenticated', orders.spiffeId])
    })

    test(`${setup.name}: an update of the material leaves the responses of callers that it still proves alone`, async (context) => {
      const source = createReplaceableSource(materialWith())
      const service = await startService(context, setup, { source, rules, credentials })
      const running = []
      for (const [peer, svid] of [
        [proxy, orders],
        [replica, orders],
        [proxy, deep],
      ] as const) {
        const connection = await keepConnection(service, peer)
        running.push(await connection.begin(write(svid)))
      }
      for (const material of [
        materialWith([], [authority], await authority.issue(idOf('billing'))),
        materialWith([], [authority, successor]),
        materialWith([], [successor, authority]),
        materialWith([crlOf(authority), crlOf(intermediate)]),
      ]) {
        source.replace(material)
        for (const svid of [orders, deep]) {
          assert.deepEqual(await ask(service.as(proxy), '/open', write(svid)), [svid.spiffeId, proxyId])
        }
        assert.deepEqual(
          running.map(({ isOpen }) => isOpen()),
          [true, true, true],
        )
      }
    })

    test(`${setup.name}: an update that revokes a caller ends its responses, and no others`, async (context) => {
      const source = createReplaceableSource(materialWith([crlOf(authority)]))
      const service = await startService(context, setup, { source, rules, credentials })
      const [first, second] = [await keepConnection(service, proxy), await keepConnection(service, proxy)]
      const [revoked, staying] = [await first.begin(write(orders)), await second.begin(write(reports))]
      const beside = setup.http2 ? await first.begin(write(reports)) : staying
      source.replace(materialWith([crlOf(authority, { revoked: [orders] })]))
      assert.deepEqual(await revoked.ended, { isComplete: false })
      assert.equal(await ask(service.as(proxy), '/open', write(orders)), 403)
      assert.deepEqual(await ask(service.as(proxy), '/open', write(reports)), [reports.spiffeId, proxyId])
      assert.ok(staying.isOpen() && beside.isOpen())
      source.replace(materialWith([crlOf(authority, { revoked: [reports] })]))
      await staying.ended
      await beside.ended
    })

    test(`${setup.name}: a response goes on when a new revocation list arrives in time, and ends with the last one`, async (context) => {
      const pass = takeClock(context)
      const listed = (seconds: number): X509Material =>
        materialWith([crlOf(authority, { nextUpdate: Date.now() + seconds * 1000 })])
      const source = createReplaceableSource(listed(60))
      const service = await startService(context, setup, { source, rules, credentials })
      const connection = await keepConnection(service, proxy)
      const response = await connection.begin(write(orders))
      pass(50_000)
      source.replace(listed(60))
      pass(30_000)
      assert.deepEqual(await ask(service.as(proxy), '/open', write(orders)), [orders.spiffeId, proxyId])
      assert.ok(response.isOpen())
      pass(40_000)
      await response.ended
    })

    test(`${setup.name}: a withdrawn authority ends the responses of its callers, and only those`, async (context) => {
      const source = createReplaceableSource(materialWith([], [authority, successor]))
      const service = await startService(context, setup, { source, rules, credentials })
      const young = await successor.issue(idOf('young'))
      const [first, second] = [await keepConnection(service, proxy), await keepConnection(service, proxy)]
      const [withdrawn, staying] = [await first.begin(write(young)), await second.begin(write(orders))]
      source.replace(materialWith())
      assert.deepEqual(await withdrawn.ended, { isComplete: false })
      assert.equal(await ask(service.as(proxy), '/open', write(young)), 403)
      assert.ok(staying.isOpen())
    })

    test(`${setup.name}: an update of a partner's bundle counts, although that of the proxy is the same`, async (context) => {
      const partner = await createAuthority('partner.example')
      const other = await createAuthority('partner.example')
      const source = await authority.source(idOf('billing'), { federated: [partner] })
      const forwards = ['spiffe://partner.example/**']
      const options = { source, rules, trustDomains: ['saas.example', 'partner.example'] }
      const forwarded = { proxies: [listProxy({ forwards })], format }
      const service = await startService(context, setup, { ...options, credentials: { forwarded } })
      const theirs = await partner.issue('spiffe://partner.example/orders')
      const response = await (await keepConnection(service, proxy)).begin(write(theirs))
      const peer = service.as(proxy)
      assert.deepEqual(await ask(peer, '/open', write(theirs)), [theirs.spiffeId, proxyId])
      source.replace({ bundles: { 'saas.example': authority, 'partner.example': other } })
      await response.ended
      assert.equal(await ask(peer, '/open', write(theirs)), 403)
    })

    test(`${setup.name}: a caller that one proxy may forward is not one that each may`, async (context) => {
      const second = { id: 'spiffe://saas.example/ns/edge/sa/second', forwards: ['spiffe://saas.example/ns/other/**'] }
      const forwarded = { proxies: [listProxy(), second], format: 'client-cert' } as const
      const source = createReplaceableSource(materialWith())
      const service = await startService(context, setup, { source, rules, credentials: { forwarded } })
      const other = service.as(await authority.issue(second.id))
      for (let times = 0; times < 2; times += 1) {
        assert.deepEqual(await ask(service.as(proxy), '/open', write(orders)), [orders.spiffeId, proxyId])
        assert.equal(await ask(other, '/open', write(orders)), 403)
      }
    })

    test(`${setup.name}: a proxy whose certificate expires ends all that it forwards`, async (context) => {
      const pass = takeClock(context)
      const brief = await authority.issue(proxyId, { ttlSeconds: 120, now: Date.now() })
      const source = createReplaceableSource(materialWith())
      const service = await startService(context, setup, { source, rules, credentials })
      const connection = await keepConnection(service, brief)
      const response = await connection.begin(write(orders))
      const other = await keepConnection(service, proxy)
      const staying = await other.begin(write(orders))
      pass(122_000)
      await response.ended
      assert.ok(staying.isOpen())
    })
  }
})

function countConnections({ running }: Service): Promise<number> {
  return new Promise((resolve) => {
    running.server.getConnections((_error, count) => resolve(count))
  })
}
