import assert from 'node:assert/strict'
import { createPublicKey, verify } from 'node:crypto'
import { test } from 'node:test'
import { createAuthority } from '@countersign/testkit'
import { billing, coreApi, openAgent } from './open-agent.ts'
import { parseKeys } from './parse-keys.ts'
import { RawClient } from './raw-client.ts'

test('a JWT-SVID is signed by a key of the JWT bundle, for the audience and lifetime in the entry', async (context) => {
  const agent = await openAgent(context, { entries: [{ spiffeId: billing, ttlSeconds: 60, hint: 'internal' }] })
  const client = new RawClient(context, agent)
  const [svid] = (await client.jwtSvids(['core-api', 'analytics'])).svids
  assert.ok(svid)
  assert.deepEqual([svid.spiffe_id, svid.hint], [billing, 'internal'])
  const { header, payload, signature, signed } = parseToken(svid.svid)
  const { sub, aud, iat, exp } = payload
  assert.deepEqual([sub, aud, Number(exp) - Number(iat)], [billing, ['core-api', 'analytics'], 60])

  const { bundles } = await client.jwtBundles().next()
  const [key] = parseKeys(bundles['spiffe://saas.example'])
  assert.ok(key)
  // SPIRE's agent omits `use`, and so must this one: clients have to handle that.
  assert.deepEqual(Object.keys(key).toSorted(), ['crv', 'kid', 'kty', 'x', 'y'])
  assert.deepEqual(header, { alg: 'ES256', kid: key['kid'], typ: 'JWT' })
  const publicKey = createPublicKey({ key, format: 'jwk' })
  assert.ok(verify('sha256', Buffer.from(signed), { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature))
})

test('a JWT-SVID lives at most five minutes', async (context) => {
  const client = new RawClient(context, await openAgent(context))
  const [svid] = (await client.jwtSvids(['core-api'])).svids
  const { iat, exp } = parseToken(svid?.svid ?? '').payload
  assert.equal(Number(exp) - Number(iat), 300)
})

test('issues JWT-SVIDs for every entry, or for the requested one', async (context) => {
  const client = new RawClient(
    context,
    await openAgent(context, { entries: [{ spiffeId: billing }, { spiffeId: coreApi }] }),
  )
  const idsOf = async (spiffeId?: string): Promise<readonly string[]> =>
    (await client.jwtSvids(['analytics'], spiffeId)).svids.map(({ spiffe_id }) => spiffe_id)
  assert.deepEqual(await idsOf(), [billing, coreApi])
  assert.deepEqual(await idsOf(coreApi), [coreApi])
  await assert.rejects(idsOf('spiffe://saas.example/other'), { code: 'PERMISSION_DENIED' })
  await assert.rejects(client.jwtSvids([]), { code: 'INVALID_ARGUMENT' })
})

test('the agent validates its own JWT-SVIDs, across a rotation and across its trust domains', async (context) => {
  const [own, partner, next, last] = await Promise.all([
    createAuthority('saas.example'),
    createAuthority('partner.example'),
    createAuthority('saas.example'),
    createAuthority('saas.example'),
  ])
  const entries = [{ spiffeId: billing }, { spiffeId: 'spiffe://partner.example/client' }]
  const agent = await openAgent(context, { authorities: [own, partner], entries })
  const client = new RawClient(context, agent)
  const tokens = (await client.jwtSvids(['core-api'])).svids.map(({ svid }) => svid)
  for (const [index, token] of tokens.entries()) {
    const { spiffe_id, claims } = await client.validate('core-api', token)
    assert.equal(spiffe_id, entries[index]?.spiffeId)
    assert.deepEqual(Object.keys(claims?.fields ?? {}).toSorted(), ['aud', 'exp', 'iat', 'sub'])
    assert.deepEqual(claims?.fields['aud'], { listValue: { values: [{ stringValue: 'core-api' }] } })
  }
  const [token = ''] = tokens
  await agent.setAuthority(next)
  await client.validate('core-api', token)
  await agent.restart({ authority: last })
  const again = new RawClient(context, agent)
  await assert.rejects(again.validate('core-api', token), { code: 'INVALID_ARGUMENT' })
})

test('the agent rejects a token that is not a JWT-SVID for this audience', async (context) => {
  const agent = await openAgent(context)
  const client = new RawClient(context, agent)
  const [svid] = (await client.jwtSvids(['core-api'])).svids
  const token = svid?.svid ?? ''
  const foreign = new RawClient(context, await openAgent(context))
  const [forged] = (await foreign.jwtSvids(['core-api'])).svids
  await agent.fail('expired_svid', { times: 1, method: 'FetchJWTSVID' })
  const [expired] = (await client.jwtSvids(['core-api'])).svids
  const refused = { code: 'INVALID_ARGUMENT' }
  await assert.rejects(client.validate('analytics', token), refused)
  await assert.rejects(client.validate('', token), refused)
  await assert.rejects(client.validate('core-api', ''), refused)
  await assert.rejects(client.validate('core-api', 'no token'), refused)
  await assert.rejects(client.validate('core-api', forged?.svid ?? ''), refused)
  await assert.rejects(client.validate('core-api', expired?.svid ?? ''), refused)
  await client.validate('core-api', token)
})

test('the agent and its authority sign with the same key', async (context) => {
  const authority = await createAuthority('saas.example')
  const client = new RawClient(context, await openAgent(context, { authority }))
  const { token } = authority.issueJwt('spiffe://saas.example/ns/production/sa/mailer', { audience: 'core-api' })

  const { spiffe_id } = await client.validate('core-api', token)
  assert.equal(spiffe_id, 'spiffe://saas.example/ns/production/sa/mailer')
})

test('the agent issues JWT-SVIDs with the faults of their entry', async (context) => {
  const entries = [{ spiffeId: billing, jwtFaults: ['wrong_audience'] }] as const
  const client = new RawClient(context, await openAgent(context, { entries }))
  const [svid] = (await client.jwtSvids(['core-api'])).svids

  assert.deepEqual(parseToken(svid?.svid ?? '').payload['aud'], ['another-service'])
  await assert.rejects(client.validate('core-api', svid?.svid ?? ''), { code: 'INVALID_ARGUMENT' })
})

interface ParsedToken {
  readonly header: unknown
  readonly payload: Readonly<Record<string, unknown>>
  readonly signature: Buffer
  readonly signed: string
}

function parseToken(token: string): ParsedToken {
  const [header = '', payload = '', signature = ''] = token.split('.')
  const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString())
  assert.ok(typeof claims === 'object' && claims !== null)
  return {
    header: JSON.parse(Buffer.from(header, 'base64url').toString()),
    payload: { ...claims },
    signature: Buffer.from(signature, 'base64url'),
    signed: `${header}.${payload}`,
  }
}
