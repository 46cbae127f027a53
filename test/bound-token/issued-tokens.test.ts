import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { createAuthority } from '@countersign/testkit'
import { names, startService } from './start-service.ts'
import { startTokenIssuer } from './token-issuer.ts'

/** Tokens of `oidc-provider`, which binds them to the certificate of the client. */

const authority = await createAuthority('saas.example')
const ours = 'spiffe://saas.example/ns/production/sa/payments'
const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'
const analytics = 'spiffe://saas.example/ns/production/sa/analytics'
const caller = await authority.issue(coreApi)
const issuer = await startTokenIssuer(authority, [coreApi, analytics])
const unboundIssuer = await startTokenIssuer(authority, [coreApi], false)
after(async () => {
  await issuer[Symbol.asyncDispose]()
  await unboundIssuer[Symbol.asyncDispose]()
})

for (const name of names) {
  describe(name, () => {
    test('accepts a token from the caller that it was issued to', async () => {
      await using service = await startService(name, await authority.source(ours), { verify: issuer.verify })
      await using peer = service.as(caller)
      const headers = { authorization: `Bearer ${await issuer.issue(caller)}` }

      assert.equal((await peer.fetch('/payments', { headers })).status, 200)
    })

    test('refuses a stolen token, also from the same workload with another certificate', async () => {
      await using service = await startService(name, await authority.source(ours), { verify: issuer.verify })
      const headers = { authorization: `Bearer ${await issuer.issue(caller)}` }
      for (const svid of [await authority.issue(analytics), await authority.issue(coreApi)]) {
        await using peer = service.as(svid)

        const response = await peer.fetch('/payments', { headers })
        assert.equal(response.status, 401)
        assert.equal(response.headers.get('www-authenticate'), 'Bearer error="invalid_token"')
      }
      assert.equal(service.handled(), 0)
    })

    test('refuses a token that the issuer did not bind', async () => {
      await using service = await startService(name, await authority.source(ours), { verify: unboundIssuer.verify })
      await using peer = service.as(caller)
      const headers = { authorization: `Bearer ${await unboundIssuer.issue(caller)}` }

      assert.equal((await peer.fetch('/payments', { headers })).status, 401)
      assert.equal(service.denials[0]?.reason, 'token_unbound')
    })

    test('refuses a token of another issuer', async () => {
      await using service = await startService(name, await authority.source(ours), { verify: issuer.verify })
      await using peer = service.as(caller)
      const headers = { authorization: `Bearer ${await unboundIssuer.issue(caller)}` }

      assert.equal((await peer.fetch('/payments', { headers })).status, 401)
      assert.equal(service.denials[0]?.reason, 'token_invalid')
    })
  })
}
