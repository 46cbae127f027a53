import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { anonymous, anyOf, authenticated, permitAll, provenBy } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'
import { encode } from '../jwt/tokens.ts'
import { ask, idOf, sendRaw, type Service, setups, startService } from './credential-service.ts'
import { formats, listProxy, proxyId } from './forwarded-headers.ts'
import { bearer, createBundles, issueToken, nextSigner, signer } from './token-service.ts'

const authority = await createAuthority('saas.example')
const source = await authority.source(idOf('billing'))
const proxy = await authority.issue(proxyId)
const orders = await authority.issue(idOf('orders'))
const [{ format, write, garble } = assert.fail()] = formats
const until = new Date(Date.now() + 3_600_000).toISOString()

const rules = [
  { path: '/admin', allow: authenticated() },
  { path: '/**', allow: anyOf(authenticated(), provenBy('jwt-svid')) },
]
const opened = [
  { path: '/admin', allow: anyOf(authenticated(), anonymous()) },
  { path: '/**', allow: permitAll() },
]
const modes = [
  ['enforcing', { rules }],
  ['permissive and auditing', { rules: opened, permissive: { until }, mode: { audit: { until } } }],
] as const

const jwtSvid = { audiences: ['billing', 'spiffe://saas.example/billing'], bundles: createBundles() }
const behindProxy = { forwarded: { proxies: [listProxy({ tokens: true })], format }, jwtSvid }
const valid = bearer(issueToken('orders'))

const invalid: readonly (readonly [what: string, token: string])[] = [
  ['expired', issueToken('orders', { exp: Math.floor(Date.now() / 1000) - 1 })],
  ['not yet valid', issueToken('orders', { nbf: Math.floor(Date.now() / 1000) + 120 })],
  ['without an expiry', issueToken('orders', { exp: null })],
  ['of an unknown key', issueToken('orders', {}, {}, nextSigner)],
  ['of another key with the same kid', issueToken('orders', {}, { kid: 'first' }, nextSigner)],
  ['of another trust domain', issueToken('orders', { sub: 'spiffe://partner.example/ns/production/sa/orders' })],
  ['without a subject', issueToken('orders', { sub: null })],
  ['of a trust domain', issueToken('orders', { sub: 'spiffe://saas.example' })],
  ['of another type', issueToken('orders', {}, { typ: 'at+jwt' })],
  ['with a key of its own', issueToken('orders', {}, { jwk: signer.jwk })],
  ['unsigned', `${encode({ alg: 'none' })}.${encode(`{"sub":"${idOf('orders')}","aud":"billing","exp":9999999999}`)}.`],
  ['with a changed subject', changeSubject(issueToken('orders'))],
]

describe('promise 11: a token counts only where no certificate does, and only if it is valid', () => {
  for (const setup of setups) {
    for (const [mode, options] of modes) {
      const name = `${setup.name}, ${mode}`
      const isOpen = 'permissive' in options

      test(`${name}: behind a proxy, one valid token proves its subject`, async (context) => {
        const service = await startService(context, setup, { source, ...options, credentials: behindProxy })
        const peer = service.as(proxy)
        for (const [caller, audience] of [
          ['orders', 'billing'],
          ['reports', ['other', 'spiffe://saas.example/billing']],
          ['orders', 'billing'],
        ] as const) {
          const headers = bearer(issueToken(caller, { aud: audience }))
          assert.deepEqual(await ask(peer, '/open', headers), [idOf(caller), proxyId])
        }
        assert.ok(service.seen.every(({ credential }) => credential === 'jwt-svid'))
        // `authenticated()` does not name this credential. Only audit mode allows the request.
        assert.deepEqual(await ask(peer, '/admin', valid), isOpen ? [idOf('orders'), proxyId] : 403)
        // The caller of one request is never that of the next one.
        assert.deepEqual(await ask(peer, '/open'), isOpen ? [null, null] : 401)
        assert.deepEqual(await ask(peer, '/open', write(orders)), [orders.spiffeId, proxyId])
      })

      test(`${name}: a token that is not for this service is left to the application`, async (context) => {
        const service = await startService(context, setup, { source, ...options, credentials: behindProxy })
        for (const authorization of [
          ...Object.values(bearer(issueToken('orders', { aud: 'payments' }))),
          'Bearer opaque',
          'Basic b3JkZXJzOnNlY3JldA==',
          'Bearer',
        ]) {
          assert.deepEqual(await ask(service.as(proxy), '/open', { authorization }), isOpen ? [null, null] : 401)
          assert.deepEqual(await ask(service.as(proxy), '/open', { ...write(orders), authorization }), [
            orders.spiffeId,
            proxyId,
          ])
          assert.ok(service.seen.at(-1)?.names.includes('authorization'))
        }
      })

      test(`${name}: an invalid token is denied, and never anonymous`, async (context) => {
        const credentials = { jwtSvid: { ...jwtSvid, withoutCertificate: true as const } }
        const direct = await startService(context, setup, { source, ...options, credentials })
        const service = await startService(context, setup, { source, ...options, credentials: behindProxy })
        for (const [what, token] of invalid) {
          for (const peer of [service.as(proxy), direct.as(null)]) {
            const response = await peer.fetch('/open', { headers: bearer(token) })
            assert.equal(response.status, 401, what)
            assert.equal(response.headers.get('www-authenticate'), 'Bearer error="invalid_token"')
          }
        }
        assert.deepEqual([...service.seen, ...direct.seen], [])
        assert.ok(reasonsOf(service).every((reason) => reason === 'token_invalid'))
        const logged = JSON.stringify([service.events, direct.events])
        for (const [what, token] of invalid) assert.ok(!logged.includes(token.slice(0, 100)), `${what} is logged`)
      })

      test(`${name}: two credentials at once are denied, whether they are valid or not`, async (context) => {
        const service = await startService(context, setup, { source, ...options, credentials: behindProxy })
        const [, [, bad] = assert.fail()] = invalid
        for (const certificate of [write(orders), garble('?')]) {
          for (const token of [valid, bearer(bad)]) {
            assert.equal(await ask(service.as(proxy), '/open', { ...certificate, ...token }), 403)
          }
        }
        assert.deepEqual(service.seen, [])
        assert.ok(reasonsOf(service).every((reason) => reason === 'forwarding_not_allowed'))
      })

      test(`${name}: what a proxy may forward also limits the tokens of its callers`, async (context) => {
        const service = await startService(context, setup, { source, ...options, credentials: behindProxy })
        for (const sub of [idOf('billing'), proxyId, 'spiffe://saas.example/ns/staging/sa/orders']) {
          assert.equal(await ask(service.as(proxy), '/open', bearer(issueToken('orders', { sub }))), 403, sub)
        }
        assert.deepEqual(service.seen, [])
      })

      test(`${name}: a proxy without tokens forwards none`, async (context) => {
        const credentials = { forwarded: { proxies: [listProxy()], format }, jwtSvid }
        const service = await startService(context, setup, { source, ...options, credentials })
        assert.deepEqual(await ask(service.as(proxy), '/open', valid), isOpen ? [null, null] : 401)
        const both = await ask(service.as(proxy), '/open', { ...write(orders), ...valid })
        assert.deepEqual(both, [orders.spiffeId, proxyId])
      })

      test(`${name}: a workload with a certificate stays itself, whatever token it sends`, async (context) => {
        const credentials = { ...behindProxy, jwtSvid: { ...jwtSvid, withoutCertificate: true as const } }
        const service = await startService(context, setup, { source, ...options, credentials })
        const [, [, bad] = assert.fail()] = invalid
        for (const headers of [bearer(issueToken('reports')), bearer(bad)]) {
          assert.deepEqual(await ask(service.as(orders), '/open', headers), [orders.spiffeId, null])
          assert.ok(service.seen.at(-1)?.names.includes('authorization'))
        }
        assert.ok(service.seen.every(({ credential }) => credential === 'x509-svid'))
      })

      test(`${name}: without a certificate, a token proves its subject`, async (context) => {
        const credentials = { ...behindProxy, jwtSvid: { ...jwtSvid, withoutCertificate: true as const } }
        const service = await startService(context, setup, { source, ...options, credentials })
        const peer = service.as(null)
        assert.deepEqual(await ask(peer, '/open', valid), [idOf('orders'), null])
        // It is not a proxy, so it forwards nothing.
        assert.deepEqual(await ask(peer, '/open', { ...write(orders), ...valid }), [idOf('orders'), null])
        assert.deepEqual(await ask(peer, '/open', write(orders)), isOpen ? [null, null] : 401)
        const response = await peer.fetch('/open')
        assert.equal(response.status, isOpen ? 200 : 401)
        if (!isOpen) assert.equal(response.headers.get('www-authenticate'), 'Bearer')
        // An invalid certificate is not the same as none.
        for (const fault of ['expired', 'self_signed', 'ca_leaf', 'two_uri_sans'] as const) {
          const svid = await authority.issue(idOf('orders'), { faults: [fault] })
          await assert.rejects(service.as(svid).fetch('/open', { headers: valid }), fault)
        }
        assert.equal(await ask(service.as(proxy), '/open', bearer(issueToken('orders', { sub: proxyId }))), 403)
      })
    }

    test(`${setup.name}: a bundle alone does not make a trust domain accepted`, async (context) => {
      const bundles = createBundles()
      bundles.replace('partner.example', nextSigner)
      const token = issueToken('orders', { sub: 'spiffe://partner.example/ns/production/sa/orders' }, {}, nextSigner)
      const credentials = { jwtSvid: { ...jwtSvid, bundles, withoutCertificate: true as const } }
      const service = await startService(context, setup, { source, rules, credentials })
      assert.equal(await ask(service.as(null), '/open', bearer(token)), 401)
      assert.deepEqual(service.seen, [])
    })

    test(`${setup.name}: without the option, a peer without a certificate is refused`, async (context) => {
      const service = await startService(context, setup, { source, rules, credentials: behindProxy })
      await assert.rejects(service.as(null).fetch('/open', { headers: valid }))
      assert.deepEqual(service.seen, [])
    })
  }

  // The HTTP/2 client of Node sends only one.
  for (const setup of setups.filter(({ http2 }) => !http2)) {
    for (const [mode, options] of modes) {
      test(`${setup.name}, ${mode}: a repeated Authorization is denied if one of them is for this service`, async (context) => {
        const credentials = { ...behindProxy, jwtSvid: { ...jwtSvid, withoutCertificate: true as const } }
        const service = await startService(context, setup, { source, ...options, credentials })
        const { authorization } = valid
        for (const lines of [
          [authorization, authorization],
          [authorization, 'Basic eDp5'],
          ['Basic eDp5', authorization],
          ['', authorization],
          [bearer(issueToken('reports')).authorization, authorization],
        ]) {
          for (const svid of [proxy, null]) {
            const socket = await service.running.as(svid).connect()
            const headers = { authorization: lines, connection: 'close' }
            assert.match(await sendRaw(socket, 'GET /open HTTP/1.1', headers), /^HTTP\/1\.1 401 /, lines.join())
          }
        }
        assert.deepEqual(service.seen, [])
      })
    }
  }
})

function reasonsOf({ events }: Service): readonly string[] {
  return events.flatMap((event) => (event.type === 'denial' ? [event.reason] : []))
}

function changeSubject(token: string): string {
  const [header = '', claims = '', signature = ''] = token.split('.')
  const changed = Buffer.from(claims, 'base64url').toString().replace('sa/orders', 'sa/admin-ui')
  return [header, encode(changed), signature].join('.')
}
