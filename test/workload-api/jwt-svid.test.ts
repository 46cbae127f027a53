import assert from 'node:assert/strict'
import { test } from 'node:test'
import { format, inspect } from 'node:util'
import { createWorkloadApiClient } from '@countersign/workload-api'
import { billing, startBillingAgent } from './agent-service.ts'
import { startScriptedAgent } from './scripted-agent.ts'

const audience = ['spiffe://saas.example/ns/production/sa/ledger']

test('a JWT-SVID that is logged or sent as JSON shows SPIFFE ID and expiry, and never the token', async (context) => {
  const { endpoint } = await startBillingAgent(context)
  const svid = await createWorkloadApiClient({ endpoint }).fetchJwtSvid({ audience })
  const { token, expiresAt } = svid
  assert.equal(token.split('.').length, 3)
  assert.ok(expiresAt > Date.now())
  const shown = [
    JSON.stringify(svid),
    JSON.stringify(Object.entries(svid)),
    format('%s %o %j', svid, svid, svid),
    inspect(svid, { showHidden: true }),
    inspect({ svid }, { depth: null }),
  ]
  for (const text of shown) {
    for (const part of token.split('.')) assert.ok(!text.includes(part), text)
  }
  assert.deepEqual(JSON.parse(JSON.stringify(svid)), { spiffeId: billing, hint: '', expiresAt })
  for (const part of [svid.spiffeId.trustDomain, svid.spiffeId.path, String(expiresAt)]) {
    assert.ok(inspect(svid).includes(part), part)
  }
})

test('the token of a JWT-SVID cannot be exchanged', async (context) => {
  const { endpoint } = await startBillingAgent(context)
  const svid = await createWorkloadApiClient({ endpoint }).fetchJwtSvid({ audience })
  const { token } = svid
  assert.throws(() => Object.assign(svid, { token: 'a.b.c' }), TypeError)
  assert.equal(svid.token, token)
})

for (const [what, token] of [
  ['no claims', 'token'],
  ['claims that are no JSON', 'a.b.c'],
  ['claims that are no object', encode([1])],
  ['no expiry', encode({ sub: billing })],
  ['an expiry in text', encode({ exp: '1900000000' })],
  ['an expiry beyond all numbers', `a.${Buffer.from('{"exp":1e308}').toString('base64url')}.c`],
] as const) {
  test(`W-4, J-8: a token with ${what} is refused, and the refusal does not show it`, async (context) => {
    const { endpoint } = await startScriptedAgent(context, () => ({
      messages: [{ svids: [{ spiffe_id: billing, svid: token }] }],
    }))
    await assert.rejects(createWorkloadApiClient({ endpoint }).fetchJwtSvid({ audience }), (error) => {
      assert.ok(error instanceof Error && 'code' in error)
      assert.equal(error.code, 'message_malformed')
      assert.ok(!inspect(error).includes(`'${token}'`))
      return true
    })
  })
}

function encode(claims: unknown): string {
  return `a.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c`
}
