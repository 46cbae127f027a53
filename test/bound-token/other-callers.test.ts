import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { describe, test } from 'node:test'
import { anonymous, anyOf, authenticated, hasAuthority } from '@countersign/core'
import { createAuthority, type TestSvid } from '@countersign/testkit'
import { names, startService } from './start-service.ts'

/** Callers that are not proven by the certificate of their connection, and modes of the guard. */

const authority = await createAuthority('saas.example')
const ours = 'spiffe://saas.example/ns/production/sa/payments'
const callerId = 'spiffe://saas.example/ns/production/sa/core-api'
const proxyId = 'spiffe://saas.example/ns/production/sa/gateway'
const caller = await authority.issue(callerId)
const proxy = await authority.issue(proxyId)
const authorization = 'Bearer eyJsecret'
const until = new Date(Date.now() + 86_400_000).toISOString()

function derOf({ certificatePem }: TestSvid): Buffer {
  return new X509Certificate(certificatePem).raw
}

function bindTo(svid: TestSvid): unknown {
  return { cnf: { 'x5t#S256': createHash('sha256').update(derOf(svid)).digest('base64url') } }
}

for (const name of names) {
  describe(name, () => {
    test('compares the token with the certificate that a proxy forwarded, not with that of the proxy', async () => {
      let bound = caller
      const more = {
        credentials: {
          forwarded: { format: 'client-cert', proxies: [{ id: proxyId, forwards: [callerId] }] },
        },
      } as const
      const verify = (): unknown => bindTo(bound)
      await using service = await startService(name, await authority.source(ours), { verify }, more)
      await using peer = service.as(proxy)
      const headers = { authorization, 'client-cert': `:${derOf(caller).toString('base64')}:` }

      assert.equal((await peer.fetch('/payments', { headers })).status, 200)
      bound = proxy
      assert.equal((await peer.fetch('/payments', { headers })).status, 401)
      assert.equal(service.denials[0]?.reason, 'token_unbound')
      assert.equal(service.handled(), 1)
    })

    test('answers 401 to an anonymous caller, with or without a token', async () => {
      const rules = [{ path: '/**', allow: anyOf(anonymous(), authenticated()) }]
      const verify = (): unknown => assert.fail('verified')
      const more = { permissive: { until }, rules }
      await using service = await startService(name, await authority.source(ours), { verify }, more)
      await using peer = service.as(null)

      assert.equal((await peer.fetch('/open')).status, 200)
      const response = await peer.fetch('/payments', { headers: { authorization } })
      assert.equal(response.status, 401)
      assert.equal(response.headers.get('www-authenticate'), 'Bearer error="invalid_token"')
      const without = await peer.fetch('/payments')
      assert.equal(without.headers.get('www-authenticate'), 'Bearer')
      assert.equal(service.handled(), 0)
    })

    test('is enforced in audit mode, which covers only the rules', async () => {
      const rules = [{ path: '/**', allow: hasAuthority('NOBODY') }]
      const more = { mode: { audit: { until } }, rules, authorities: () => [] }
      await using service = await startService(name, await authority.source(ours), { verify: () => ({}) }, more)
      await using peer = service.as(caller)

      assert.equal((await peer.fetch('/open')).status, 200)
      assert.equal((await peer.fetch('/payments', { headers: { authorization } })).status, 401)
      assert.equal(service.handled(), 0)
    })
  })
}
