import assert from 'node:assert/strict'
import { test } from 'node:test'
import { format, inspect } from 'node:util'
import { createWorkloadApiClient } from '@countersign/workload-api'
import { billing, coreApi, startBillingAgent } from './agent-service.ts'
import { startScriptedAgent } from './scripted-agent.ts'

const audience = ['spiffe://saas.example/ns/production/sa/ledger']

test('a JWT-SVID in a log or as JSON shows SPIFFE ID and expiry, and never the token', async (context) => {
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

test('the token of a JWT-SVID is read-only', async (context) => {
  const { endpoint } = await startBillingAgent(context)
  const svid = await createWorkloadApiClient({ endpoint }).fetchJwtSvid({ audience })
  const { token } = svid
  assert.throws(() => Object.assign(svid, { token: 'a.b.c' }), TypeError)
  assert.equal(svid.token, token)
})

// The agent issues tokens to us: what is wrong with one, and the word in the error that names it.
const soon = Math.floor(Date.now() / 1000) + 300
const header = { alg: 'ES256', kid: 'authority', typ: 'JWT' }
const claims = { sub: billing, aud: audience, exp: soon, iat: soon - 300 }

const bad: readonly (readonly [what: string, token: string, word: RegExp])[] = [
  ['one part', 'token', /1 parts/],
  ['two parts', encode(header, claims).split('.').slice(0, 2).join('.'), /2 parts/],
  ['four parts, as an encrypted token has more', `${encode(header, claims)}.c2ln`, /4 parts/],
  ['no signature', `${encode(header, claims).split('.').slice(0, 2).join('.')}.`, /signature/],
  ['a signature that is not base64url', `${encode(header, claims)}=`, /signature/],
  ['a header that is not base64url', `!${encode(header, claims)}`, /header/],
  ['a header that is not JSON', encode('{', claims), /header/],
  ['claims that are not JSON', encode(header, '{'), /claims/],
  ['claims that are not an object', encode(header, [1]), /claims/],
  ['claims in padded base64', encode(header, claims).replace(/\.([^.]+)\./, '.$1=.'), /claims/],
  ['the algorithm none', encode({ ...header, alg: 'none' }, claims), /'none'/],
  ['a symmetric algorithm', encode({ ...header, alg: 'HS256' }, claims), /'HS256'/],
  ['an algorithm in lower case', encode({ ...header, alg: 'es256' }, claims), /'es256'/],
  ['an algorithm without a family', encode({ ...header, alg: 'ES224' }, claims), /'ES224'/],
  ['no algorithm', encode({ typ: 'JWT' }, claims), /algorithm/],
  ['the type of an access token', encode({ ...header, typ: 'at+jwt' }, claims), /'at\+jwt'/],
  ['a critical header', encode({ ...header, crit: ['exp'] }, claims), /critical/],
  ['no subject', encode(header, { ...claims, sub: undefined }), /sub/],
  ['another workload as subject', encode(header, { ...claims, sub: `${billing}-other` }), /billing-other/],
  [
    'the subject of another trust domain',
    encode(header, { ...claims, sub: billing.replace('saas', 'evil') }),
    /evil\.example/,
  ],
  ['a subject that is not a SPIFFE ID', encode(header, { ...claims, sub: 'billing' }), /not a SPIFFE ID/],
  ['no audience', encode(header, { ...claims, aud: undefined }), /aud/],
  ['another audience', encode(header, { ...claims, aud: ['somebody else'] }), /aud/],
  ['the audience as a part of another', encode(header, { ...claims, aud: `${audience[0]}-other` }), /aud/],
  ['no expiry', encode(header, { ...claims, exp: undefined }), /exp/],
  ['an expiry as a string', encode(header, { ...claims, exp: '1900000000' }), /exp/],
  ['an expiry beyond the range of dates', encode(header, { ...claims, exp: 1e300 }), /exp/],
  ['a past expiry', encode(header, { ...claims, exp: soon - 301 }), /expired .*check the clocks/],
  ['a start far in the future', encode(header, { ...claims, nbf: soon }), /valid from .*check the clocks/],
  ['a start as a string', encode(header, { ...claims, nbf: 'now' }), /nbf/],
]

for (const [what, token, word] of bad) {
  test(`W-4, J-8: rejects a token with ${what} without showing it`, async (context) => {
    const { endpoint } = await startScriptedAgent(context, () => ({
      messages: [{ svids: [{ spiffe_id: billing, svid: token }] }],
    }))
    await assert.rejects(createWorkloadApiClient({ endpoint }).fetchJwtSvid({ audience }), (error) => {
      assert.ok(error instanceof Error && 'code' in error)
      assert.equal(error.code, 'message_malformed')
      assert.match(error.message, word)
      assert.ok(token.split('.').every((part) => part.length < 10 || !inspect(error).includes(part)))
      return true
    })
  })
}

for (const [what, token] of [
  ['only the members that are mandatory', encode({ alg: 'RS512' }, { ...claims, iat: undefined })],
  ['the type JOSE', encode({ ...header, typ: 'JOSE' }, claims)],
  ['one audience as a string', encode(header, { ...claims, aud: audience[0] })],
  ['more audiences', encode(header, { ...claims, aud: ['another', ...audience] })],
  ['a start slightly in the future, by another clock', encode(header, { ...claims, nbf: soon - 290 })],
] as const) {
  test(`accepts a token with ${what}`, async (context) => {
    const { endpoint } = await startScriptedAgent(context, () => ({
      messages: [{ svids: [{ spiffe_id: billing, svid: token }] }],
    }))
    const svid = await createWorkloadApiClient({ endpoint }).fetchJwtSvid({ audience })
    assert.deepEqual([svid.token, svid.expiresAt], [token, soon * 1000])
  })
}

test('rejects a token for only one of two requested audiences', async (context) => {
  const { endpoint } = await startScriptedAgent(context, () => ({
    messages: [{ svids: [{ spiffe_id: billing, svid: encode(header, claims) }] }],
  }))
  const asked = { audience: [...audience, 'another'] }
  await assert.rejects(createWorkloadApiClient({ endpoint }).fetchJwtSvid(asked), { code: 'message_malformed' })
})

test('rejects a token for another SPIFFE ID than requested', async (context) => {
  const { endpoint } = await startScriptedAgent(context, () => ({
    messages: [{ svids: [{ spiffe_id: billing, svid: encode(header, claims) }] }],
  }))
  const client = createWorkloadApiClient({ endpoint })
  await assert.rejects(client.fetchJwtSvid({ audience, spiffeId: coreApi }), { code: 'message_malformed' })
  assert.equal((await client.fetchJwtSvid({ audience, spiffeId: billing })).spiffeId.toString(), billing)
})

function encode(head: unknown, body: unknown): string {
  const parts = [head, body].map((part) => (typeof part === 'string' ? part : JSON.stringify(part)))
  return [...parts, 'a signature'].map((part) => Buffer.from(part).toString('base64url')).join('.')
}
