import assert from 'node:assert/strict'
import type { OutgoingHttpHeaders } from 'node:http'
import { describe, test, type TestContext } from 'node:test'
import { authenticated, type Policy, type PolicyFrom } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'
import { everywhere, idOf, type Service, type Setup, setups, startService } from './credential-service.ts'
import { formats, listProxy, proxyId } from './forwarded-headers.ts'

const authority = await createAuthority('saas.example')
const source = await authority.source(idOf('billing'))
const proxy = await authority.issue(proxyId)
const orders = await authority.issue(idOf('orders'))
const [forwarding] = formats
assert.ok(forwarding !== undefined)
const { format, write } = forwarding
const inside = ['10.0.0.0/8', '2001:db8::/32']

for (const setup of setups) {
  describe(`${setup.name}: policies`, () => {
    test('compare the address that a listed proxy appended, and no other', async (context) => {
      const denying = await start(context, setup, [
        { name: 'no-inside', action: 'DENY', from: [{ remoteIpBlocks: inside }] },
      ])
      const allowing = await start(context, setup, [
        { name: 'inside', action: 'ALLOW', from: [{ remoteIpBlocks: inside }] },
      ])
      for (const [appended, isInside] of [
        ['10.1.2.3', true],
        ['192.0.2.1', false],
        ['10.1.2.3, 192.0.2.1', false],
        ['192.0.2.1, 10.1.2.3', true],
        ['192.0.2.1 , 10.1.2.3', true],
        ['10.1.2.3:4711', true],
        ['[2001:db8::1]:4711', true],
        ['2001:db8::1', true],
        ['::ffff:10.1.2.3', true],
        ['::ffff:c000:201', false],
      ] as const) {
        const headers = { ...write(orders), 'x-forwarded-for': appended }
        assert.equal(await ask(denying, proxy, headers), isInside ? 403 : 200, `DENY ${appended}`)
        assert.equal(await ask(allowing, proxy, headers), isInside ? 200 : 403, `ALLOW ${appended}`)
      }
    })

    test('deny where the address of a proxied caller is not known', async (context) => {
      const block: PolicyFrom = { remoteIpBlocks: inside }
      const denying = await start(context, setup, [{ name: 'no-inside', action: 'DENY', from: [block] }])
      const notDenying = await start(context, setup, [
        { name: 'only-inside', action: 'DENY', from: [{ notRemoteIpBlocks: inside }] },
      ])
      const allowing = await start(context, setup, [{ name: 'inside', action: 'ALLOW', from: [block] }])
      const notAllowing = await start(context, setup, [
        { name: 'outside', action: 'ALLOW', from: [{ notRemoteIpBlocks: inside }] },
      ])
      for (const appended of [undefined, 'unknown', '_hidden', '10.1.2.3, ', '10.1.2.3.4', '10.1.2.3, "10.1.2.3"']) {
        const headers = { ...write(orders), ...(appended !== undefined && { 'x-forwarded-for': appended }) }
        for (const service of [denying, notDenying, allowing, notAllowing]) {
          assert.equal(await ask(service, proxy, headers), 403, String(appended))
        }
      }
    })

    test('do not believe the address that a peer states about itself', async (context) => {
      const headers = { 'x-forwarded-for': '10.1.2.3', forwarded: 'for=10.1.2.3', 'x-real-ip': '10.1.2.3' }
      const allowing = await start(context, setup, [
        { name: 'inside', action: 'ALLOW', from: [{ remoteIpBlocks: inside }] },
      ])
      assert.equal(await ask(allowing, orders, headers), 403)
      const denying = await start(context, setup, [
        { name: 'no-loopback', action: 'DENY', from: [{ remoteIpBlocks: ['127.0.0.0/8'] }] },
      ])
      assert.equal(await ask(denying, orders, headers), 403)
      const local = await start(context, setup, [
        { name: 'local', action: 'ALLOW', from: [{ remoteIpBlocks: ['127.0.0.0/8'] }] },
      ])
      assert.equal(await ask(local, orders, headers), 200)
      const bySocket = await start(context, setup, [
        { name: 'loopback', action: 'ALLOW', from: [{ ipBlocks: ['127.0.0.1'] }] },
      ])
      assert.equal(await ask(bySocket, orders, headers), 200)
      // Of a proxied request, the socket is the one of the proxy.
      assert.equal(await ask(bySocket, proxy, { ...write(orders), ...headers }), 200)
    })

    test('compare the port that received the connection', async (context) => {
      const refused = await start(context, setup, [{ name: 'admin-port', action: 'ALLOW', to: [{ ports: [1] }] }])
      assert.equal(await ask(refused, orders), 403)
      const allowed = await start(context, setup, [{ name: 'any-other', action: 'ALLOW', to: [{ notPorts: [1] }] }])
      assert.equal(await ask(allowed, orders), 200)
    })

    test('compare the host without its port and its case', async (context) => {
      const service = await start(context, setup, [
        { name: 'no-admin-host', action: 'DENY', to: [{ hosts: ['admin.example', '*.internal.example'] }] },
      ])
      for (const [host, status] of [
        ['admin.example', 403],
        ['ADMIN.example', 403],
        ['admin.example.', 403],
        ['admin.example:8443', 403],
        ['a.internal.example', 403],
        ['a.b.internal.example', 403],
        ['internal.example', 200],
        ['api.example', 200],
      ] as const) {
        const headers = setup.http2 ? { ':authority': host } : { host }
        assert.equal(await ask(service, orders, headers), status, host)
      }
    })

    test('compare every line of a header, also those that Node joins or drops', async (context) => {
      const when = [{ header: 'x-tenant', values: ['a'] }]
      const denying = await start(context, setup, [{ name: 'no-a', action: 'DENY', when }])
      const allowing = await start(context, setup, [{ name: 'only-a', action: 'ALLOW', when }])
      for (const [tenant, denied, allowed] of [
        ['a', 403, 200],
        ['b', 200, 403],
        [['b', 'a'], 403, 403],
        [['a', 'a'], 403, 403],
        ['b, a', 403, 403],
        ['b,a', 403, 403],
        ['A', 200, 403],
        [undefined, 200, 403],
      ] as const) {
        const headers: OutgoingHttpHeaders =
          tenant === undefined ? {} : { 'x-tenant': typeof tenant === 'string' ? tenant : [...tenant] }
        assert.equal(await ask(denying, orders, headers), denied, `DENY ${String(tenant)}`)
        assert.equal(await ask(allowing, orders, headers), allowed, `ALLOW ${String(tenant)}`)
      }
    })
  })
}

function start(context: TestContext, setup: Setup, policies: readonly Policy[]): Promise<Service> {
  const forwarded = { proxies: [listProxy()], format }
  return startService(context, setup, {
    source,
    rules: everywhere(authenticated()),
    policies: { policies },
    credentials: { forwarded },
  })
}

async function ask(service: Service, svid: typeof orders, headers: OutgoingHttpHeaders = {}): Promise<number> {
  const response = await service.as(svid).fetch('/open', { headers })
  await response.text()
  return response.status
}
