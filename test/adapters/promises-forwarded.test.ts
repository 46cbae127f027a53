import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { OutgoingHttpHeaders } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { describe, test } from 'node:test'
import { authenticated, hasAuthority, permitAll } from '@countersign/core'
import { createAuthority, type TestSvid } from '@countersign/testkit'
import { ask, everywhere, idOf, sendRaw, type Service, setups, startService } from './credential-service.ts'
import { formats, listProxy, proxyId } from './forwarded-headers.ts'

const authority = await createAuthority('saas.example')
const partner = await createAuthority('partner.example')
const foreign = await createAuthority('saas.example')
const intermediate = await authority.intermediate()
const source = await authority.source(idOf('billing'), { federated: [partner] })
const trustDomains = ['saas.example', 'partner.example']
const proxy = await authority.issue(proxyId)
const [orders, reports] = [await intermediate.issue(idOf('orders')), await authority.issue(idOf('reports'))]
const admin = await authority.issue(idOf('admin-ui'))

const rules = [
  { path: '/admin', allow: hasAuthority('SERVICE_admin-ui') },
  { path: '/**', allow: authenticated() },
]
const anyone = ['spiffe://saas.example/**', 'spiffe://partner.example/**']
/** Every mode that lets more requests through than enforcement does. */
const until = new Date(Date.now() + 3_600_000).toISOString()
const modes = [
  ['enforcing', { rules }],
  ['permissive', { rules: everywhere(permitAll()), permissive: { until } }],
  ['auditing', { rules, mode: { audit: { until } } }],
  ['permissive and auditing', { rules: everywhere(permitAll()), permissive: { until }, mode: { audit: { until } } }],
] as const

describe('promise 11: a request through a listed proxy is attributed only to the identity that the proxy proves', () => {
  for (const setup of setups) {
    for (const { format, write, garble } of formats) {
      const forwarded = { proxies: [listProxy()], format }
      const name = `${setup.name}, ${format}`

      test(`${name}: attributes each request to the caller that the proxy forwards with it`, async (context) => {
        const service = await startService(context, setup, { source, trustDomains, rules, credentials: { forwarded } })
        const peer = service.as(proxy)
        // One connection, and two callers in turns and at the same time.
        for (const [svid, path] of [
          [orders, '/open'],
          [admin, '/admin'],
          [reports, '/open'],
          [orders, '/open'],
        ] as const) {
          assert.deepEqual(await ask(peer, path, write(svid)), [svid.spiffeId, proxyId])
        }
        const answers = Array.from({ length: 12 }, async (_, index) => {
          const svid = index % 2 === 0 ? orders : reports
          assert.deepEqual(await ask(peer, `/open/${index}`, write(svid)), [svid.spiffeId, proxyId])
        })
        await Promise.all(answers)
        if (!setup.http2) {
          const inCapitals: OutgoingHttpHeaders = {}
          for (const [key, value] of Object.entries(write(orders))) inCapitals[key.toUpperCase()] = value
          assert.deepEqual(await ask(peer, '/open', inCapitals), [orders.spiffeId, proxyId])
        }
        assert.equal(await ask(peer, '/admin', write(orders)), 403)
        assert.ok(service.seen.every(({ credential }) => credential === 'forwarded'))
      })

      test(`${name}: a peer that is not listed stays itself`, async (context) => {
        const service = await startService(context, setup, { source, trustDomains, rules, credentials: { forwarded } })
        const headers = write(admin)
        const peer = service.as(orders)
        assert.deepEqual(await ask(peer, '/open', headers), [orders.spiffeId, null])
        assert.equal(await ask(peer, '/admin', headers), 403)
        // Not even if what it forwards is itself, or invalid.
        assert.deepEqual(await ask(peer, '/open', write(orders)), [orders.spiffeId, null])
        assert.deepEqual(await ask(peer, '/open', garble('?')), [orders.spiffeId, null])
        // Of another trust domain, but with the path of the proxy.
        const other = await partner.issue('spiffe://partner.example/ns/edge/sa/proxy')
        assert.deepEqual(await ask(service.as(other), '/open', headers), [other.spiffeId, null])
        await assert.rejects(service.as(null).fetch('/open', { headers }))
      })

      test(`${name}: no handler sees a header or a trailer in which any proxy states identities`, async (context) => {
        const service = await startService(context, setup, { source, trustDomains, rules, credentials: { forwarded } })
        const forged = { ...forgedHeaders, ...write(admin) }
        for (const [svid, headers] of [
          [orders, forged],
          [proxy, { ...forged, ...write(orders) }],
        ] as const) {
          await ask(service.as(svid), '/open', headers)
          await sendTrailers(service, svid, headers)
        }
        if (!setup.http2) await upgradeOnce(service, proxy, { ...forged, ...write(orders) })
        assert.equal(service.seen.length, setup.http2 ? 4 : 5)
        for (const { names } of service.seen) assert.deepEqual(names.filter(isIdentity), [])
        assert.ok(service.seen.every(({ names }) => names.includes('x-other')))
        assert.ok(service.seen.filter(({ names }) => names.includes('x-trailer')).length === 2)
      })

      for (const [mode, options] of modes) {
        test(`${name}, ${mode}: without an identity the request is anonymous, and never the proxy's own`, async (context) => {
          const service = await startService(context, setup, { source, ...options, credentials: { forwarded } })
          const isOpen = 'permissive' in options
          assert.deepEqual(await ask(service.as(proxy), '/open'), isOpen ? [null, null] : 401)
          // A header of another format states nothing here.
          assert.deepEqual(await ask(service.as(proxy), '/open', forgedHeaders), isOpen ? [null, null] : 401)
          if (isOpen)
            assert.deepEqual(
              service.seen.map(({ caller }) => caller),
              [null, null],
            )
          else assert.deepEqual(service.seen, [])
        })

        test(`${name}, ${mode}: an identity that the proxy may not forward, or that is not valid, is denied`, async (context) => {
          const second = { id: 'spiffe://saas.example/ns/edge/sa/second', forwards: [...anyone] }
          const third = { id: 'spiffe://partner.example/ns/edge/sa/proxy', forwards: [...anyone] }
          const proxies = [listProxy(), second, third]
          const credentials = { forwarded: { proxies, format } }
          const service = await startService(context, setup, { source, trustDomains, ...options, credentials })
          const [ofSecond, ofThird] = [await authority.issue(second.id), await partner.issue(third.id)]
          const staging = await authority.issue('spiffe://saas.example/ns/staging/sa/orders')
          const cases: [what: string, peer: TestSvid, headers: OutgoingHttpHeaders, reason: string][] = [
            ['outside of forwards', proxy, write(staging), 'forwarding_not_allowed'],
            ['our own identity', ofSecond, write(source.svid, second.id), 'forwarding_not_allowed'],
            ['another listed proxy', ofSecond, write(proxy, second.id), 'forwarding_not_allowed'],
            ['the proxy itself', ofSecond, write(ofSecond, second.id), 'forwarding_not_allowed'],
            ["a caller of ours by a partner's proxy", ofThird, write(orders, third.id), 'forwarding_not_allowed'],
            [
              'another authority of the same name',
              proxy,
              write(await foreign.issue(idOf('orders'))),
              'forwarded_invalid',
            ],
          ]
          for (const fault of [
            'expired',
            'not_yet_valid',
            'ca_leaf',
            'self_signed',
            'two_uri_sans',
            'no_uri_san',
          ] as const) {
            const svid = await authority.issue(idOf('orders'), { faults: [fault] })
            cases.push([fault, proxy, write(svid), 'forwarded_invalid'])
          }
          for (const text of ['?', ':AAAA:', ':!:', 'By=a;Hash=', ',']) {
            cases.push([text, proxy, garble(text), 'forwarded_invalid'])
          }
          const repeated = Object.entries(write(orders)).map(([key, value]) => [key, [value, value].flat()])
          // RFC 9440 §2.3 allows several lines of the chain, but only one of the leaf.
          cases.push(['repeated', proxy, Object.fromEntries(repeated), 'forwarded_invalid'])
          for (const [what, svid, headers, reason] of cases) {
            const before = service.events.length
            assert.equal(await ask(service.as(svid), '/open', headers), 403, what)
            const reasons = service.events
              .slice(before)
              .flatMap((event) => (event.type === 'denial' ? [event.reason] : []))
            assert.deepEqual(reasons, [reason], what)
          }
          assert.deepEqual(service.seen, [])
          // The same caller is accepted of a proxy of its own trust domain.
          const theirs = await partner.issue('spiffe://partner.example/ns/production/sa/orders')
          assert.deepEqual(await ask(service.as(ofThird), '/open', write(theirs, third.id)), [
            theirs.spiffeId,
            third.id,
          ])
        })
      }
    }

    test(`${setup.name}: what the proxy writes counts only if the proxy itself wrote it last (By)`, async (context) => {
      const forwarded = { proxies: [listProxy()], format: 'xfcc' } as const
      const service = await startService(context, setup, { source, rules, credentials: { forwarded } })
      const [, xfcc] = formats
      assert.ok(xfcc !== undefined)
      const peer = service.as(proxy)
      assert.equal(await ask(peer, '/open', xfcc.write(orders, idOf('orders'))), 403)
      // Not from what was verified before either: the header ends in the same way.
      assert.deepEqual(await ask(peer, '/open', xfcc.write(orders)), [orders.spiffeId, proxyId])
      assert.equal(await ask(peer, '/open', xfcc.write(orders, `${proxyId.slice(0, -1)}z`)), 403)
      // An element whose parts name different callers.
      const element = String(xfcc.write(orders)['x-forwarded-client-cert'])
      assert.equal(await ask(peer, '/open', xfcc.garble(`${element};URI=${admin.spiffeId}`)), 403)
      // A name without a certificate is what the proxy says, within what it may say.
      const named = (id: string): OutgoingHttpHeaders => xfcc.garble(`By=${proxyId};Hash=ab;URI=${id}`)
      assert.equal(await ask(peer, '/open', named('spiffe://saas.example')), 403)
      assert.equal(await ask(peer, '/open', named('spiffe://partner.example/ns/production/sa/orders')), 403)
      assert.equal(await ask(peer, '/open', named(idOf('billing'))), 403)
      const appended = [xfcc.write(admin), xfcc.write(orders)].map((each) => each['x-forwarded-client-cert']).join(',')
      // The first element could have been written by the caller, or the second one by it inside of a name.
      assert.equal(await ask(peer, '/admin', xfcc.garble(appended)), 403)
      assert.deepEqual(
        service.seen.map(({ path }) => path),
        ['/open'],
      )
    })

    test(`${setup.name}: decides requests with Expect, and upgrades, by what the proxy forwards`, async (context) => {
      const [{ format, write, garble } = assert.fail()] = formats
      const forwarded = { proxies: [listProxy()], format }
      const service = await startService(context, setup, { source, rules, credentials: { forwarded } })
      const cases: [OutgoingHttpHeaders, number][] = [
        [write(orders), 403],
        [{}, 401],
        [garble('?'), 403],
        [write(admin), 200],
      ]
      for (const [headers, status] of cases) {
        const answer = await service
          .as(proxy)
          .fetch('/admin', { method: 'POST', headers: { ...headers, expect: '100-continue' } })
        assert.equal(answer.status, status)
      }
      assert.deepEqual(
        service.seen.map(({ caller }) => caller),
        [admin.spiffeId],
      )
      if (setup.http2) return
      for (const [headers, status] of cases) {
        const found = await upgradeOnce(service, proxy, headers, '/admin')
        assert.match(found, new RegExp(`^HTTP/1.1 ${status === 200 ? 101 : status} `))
      }
      assert.equal(service.seen.length, 2)
    })
  }
  // HTTP/2 forbids the header (RFC 9113 §8.2.2).
  for (const setup of setups.filter(({ http2 }) => !http2)) {
    test(`${setup.name}: naming the header in Connection changes nothing`, async (context) => {
      const forwarded = { proxies: [listProxy()], format: 'client-cert' } as const
      const service = await startService(context, setup, { source, rules, credentials: { forwarded } })
      const [{ write } = assert.fail()] = formats
      const connection = 'close, client-cert'
      assert.deepEqual(await ask(service.as(proxy), '/open', { ...write(orders), connection }), [
        orders.spiffeId,
        proxyId,
      ])
      assert.equal(await ask(service.as(proxy), '/open', { connection }), 401)
    })
  }
})

/** Names that a real proxy adds, in formats that are not configured. */
const forgedHeaders: OutgoingHttpHeaders = {
  'x-ssl-client-cert': 'forged',
  'X-Client-Cert': 'forged',
  'x-amzn-mtls-clientcert': 'forged',
  'x-forwarded-tls-client-cert': 'forged',
  'x-other': 'kept',
}

function isIdentity(name: string): boolean {
  return /cert|spiffe/.test(name)
}

/** Sends the headers again as trailers. */
async function sendTrailers(service: Service, svid: TestSvid, headers: OutgoingHttpHeaders): Promise<void> {
  const trailers = { ...headers, 'x-trailer': 'kept' }
  // Without a type, Fastify would not read the body of an HTTP/2 request before it calls the handler.
  const fields = { ...headers, 'content-type': 'application/x-test' }
  if (service.setup.http2) {
    const socket = await service.as(svid).connect({ ALPNProtocols: ['h2'] })
    const session = connectHttp2(service.running.url, { createConnection: () => socket })
    const stream = session.request({ ...fields, ':path': '/open', ':method': 'POST' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers(trailers))
    stream.end('body')
    stream.resume()
    const status = await new Promise((resolve) => stream.once('response', (fields) => resolve(fields[':status'])))
    assert.equal(status, 200)
    await once(stream, 'end')
    session.destroy()
    return
  }
  const socket = await service.as(svid).connect()
  const list = (all: OutgoingHttpHeaders): string =>
    Object.entries(all)
      .map(([key, value]) => `${key}: ${String(value)}\r\n`)
      .join('')
  socket.write(
    `POST /open HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n${list(fields)}\r\n`,
  )
  socket.write(`4\r\nbody\r\n0\r\n${list(trailers)}\r\n`)
  assert.match(String(await once(socket, 'data')), /^HTTP\/1\.1 200 /)
  socket.destroy()
}

async function upgradeOnce(
  service: Service,
  svid: TestSvid,
  headers: OutgoingHttpHeaders,
  path = '/open',
): Promise<string> {
  const socket = await service.as(svid).connect()
  const received = sendRaw(socket, `GET ${path} HTTP/1.1`, { ...headers, connection: 'upgrade', upgrade: 'echo' })
  socket.once('data', (data: Buffer) => String(data).startsWith('HTTP/1.1 101') && socket.destroy())
  return received
}
