import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SpiffeId } from '@countersign/spiffe'
import { JwtBundle, type JwtBundles, type JwtSvid } from '@countersign/spiffe/jwt'
import {
  bundles,
  claims,
  header,
  id,
  mapOf,
  now,
  reasonOf,
  seconds,
  signer,
  signParts,
  verify,
} from './billing-token.ts'
import { craft, createSigner, encode, type Signer, toDocument } from './tokens.ts'

test('returns everything that the token proves', async () => {
  const verdict = await verify(craft(header, { ...claims, scope: { read: [1, 2.5, null] } }, signer.privateKey))

  assert.ok(verdict.ok)
  const { svid } = verdict
  assert.ok(svid.spiffeId instanceof SpiffeId)
  assert.equal(svid.spiffeId.toString(), id)
  assert.deepEqual(svid.audiences, ['billing', 'ledger'])
  assert.equal(svid.expiresAt, now + 300_000)
  assert.equal(svid.issuedAt, now - 10_000)
  assert.equal(svid.keyId, 'first')
  assert.equal(svid.bundle, bundles.get('saas.example'))
  assert.deepEqual(svid.claims, { ...claims, scope: { read: [1, 2.5, null] } })
})

test('the proof cannot be changed', async () => {
  const verdict = await verify(craft(header, { ...claims, scope: { read: [1] } }, signer.privateKey))

  assert.ok(verdict.ok)
  const scope = verdict.svid.claims['scope']
  for (const value of [verdict.svid, verdict.svid.claims, verdict.svid.audiences, scope])
    assert.ok(Object.isFrozen(value))
})

test('the class of the proof is not exported as a value', async () => {
  const exported: object = await import('@countersign/spiffe/jwt')

  assert.deepEqual(Object.keys(exported).toSorted(), [
    'JwtBundle',
    'createReplaceableJwtBundles',
    'fileJwtBundles',
    'readAudiences',
    'readJwtBundles',
    'staticJwtBundles',
    'verifyJwtSvid',
  ])
})

test('a claim named __proto__ is an ordinary claim', async () => {
  const payload = `{"sub":"${id}","aud":"billing","exp":${seconds + 300},"__proto__":{"admin":true}}`
  const verdict = await verify(signParts(header, payload))

  assert.ok(verdict.ok)
  assert.equal(verdict.svid.claims['admin'], undefined)
  assert.ok(Object.hasOwn(verdict.svid.claims, '__proto__'))
})

const repeated: readonly (readonly [name: string, header: string, payload: string])[] = [
  ['alg', '{"alg":"ES256","kid":"first","alg":"ES256"}', JSON.stringify(claims)],
  ['sub', JSON.stringify(header), `{"sub":"${id}","sub":"${id}","aud":"billing","exp":${seconds + 300}}`],
  ['aud', JSON.stringify(header), `{"sub":"${id}","aud":"ledger","aud":"billing","exp":${seconds + 300}}`],
  ['nested', JSON.stringify(header), `{"sub":"${id}","aud":"billing","exp":${seconds + 300},"a":{"b":1,"b":2}}`],
]

for (const [name, head, payload] of repeated) {
  test(`refuses a token that repeats the name ${name}`, async () => {
    assert.equal(reasonOf(await verify(signParts(head, payload))), 'token_malformed')
  })
}

test('checks the algorithm before anything else', async () => {
  const rest = { crit: ['x'], jku: 'https://attacker.example', typ: 'at+jwt', kid: 1 }

  for (const alg of ['none', 'None', 'HS256', 'EdDSA', 'ES256K', 'RSA-OAEP', 'toString', '', 256, null, ['ES256']]) {
    const token = `${encode(JSON.stringify({ ...rest, alg }))}.${encode('no JSON')}.`
    assert.equal(reasonOf(await verify(token)), 'algorithm_forbidden', String(alg))
  }
})

for (const name of ['jwk', 'jku', 'x5c', 'x5u', 'x5t', 'crit', 'cty', 'b64', 'zip', '__proto__']) {
  test(`refuses the header ${name}`, async () => {
    const head = `{"alg":"ES256","kid":"first","${name}":${name === 'crit' ? '["exp"]' : 'false'}}`
    assert.equal(reasonOf(await verify(signParts(head, JSON.stringify(claims)))), 'header_forbidden')
  })
}

for (const kid of [1, [], {}, true, null]) {
  test(`refuses the kid ${JSON.stringify(kid)}`, async () => {
    const head = JSON.stringify({ alg: 'ES256', kid })
    assert.equal(reasonOf(await verify(signParts(head, JSON.stringify(claims)))), 'token_malformed')
  })
}

test('refuses a null typ', async () => {
  const head = JSON.stringify({ ...header, typ: null })
  assert.equal(reasonOf(await verify(signParts(head, JSON.stringify(claims)))), 'type_forbidden')
})

const malformed: readonly (readonly [claim: string, value: unknown, reason: string])[] = [
  ['aud', ['billing', 1], 'claim_malformed'],
  ['aud', [['billing']], 'audience_missing'],
  ['aud', { billing: true }, 'audience_missing'],
  ['aud', 'BILLING', 'audience_unexpected'],
  ['aud', 'billing/', 'audience_unexpected'],
  ['aud', ['', 'other'], 'audience_unexpected'],
  ['exp', '1900000000', 'claim_malformed'],
  ['exp', 1e300, 'claim_malformed'],
  ['exp', [seconds + 300], 'claim_malformed'],
  ['exp', true, 'claim_malformed'],
  ['exp', -1, 'expired'],
  ['exp', seconds, 'expired'],
  ['exp', 0, 'expired'],
  ['nbf', 'soon', 'claim_malformed'],
  ['nbf', seconds + 61, 'not_yet_valid'],
  ['iat', 'now', 'claim_malformed'],
  ['iss', 1, 'claim_malformed'],
  ['jti', {}, 'claim_malformed'],
  ['sub', 7, 'spiffe_id_invalid'],
  ['sub', [id], 'spiffe_id_invalid'],
  ['sub', `${id}/`, 'spiffe_id_invalid'],
  ['sub', id.replace('saas', 'SAAS'), 'spiffe_id_invalid'],
]

for (const [claim, value, reason] of malformed) {
  test(`refuses ${claim} ${JSON.stringify(value)} with ${reason}`, async () => {
    assert.equal(reasonOf(await verify(craft(header, { ...claims, [claim]: value }, signer.privateKey))), reason)
  })
}

test('an expired token has no leeway, and nbf has 60 seconds', async () => {
  const fits = { ...claims, exp: seconds + 0.001, nbf: seconds + 60 }

  assert.equal(reasonOf(await verify(craft(header, fits, signer.privateKey))), 'ok')
  assert.equal(reasonOf(await verify(craft(header, { ...fits, exp: seconds }, signer.privateKey))), 'expired')
})

test('a token must be for one of several audiences of ours', async () => {
  const token = craft(header, claims, signer.privateKey)

  assert.equal(reasonOf(await verify(token, { audiences: ['reports', 'ledger'] })), 'ok')
  assert.equal(reasonOf(await verify(token, { audiences: ['reports', 'ledge'] })), 'audience_unexpected')
})

test('a token without kid is verified with the keys that fit its algorithm, at most four', async () => {
  const token = craft({ alg: 'ES256' }, claims, signer.privateKey)
  const fillers = ['a', 'b', 'c', 'd'].map((kid) => createSigner(kid))
  const misfits = [createSigner('e', 'P-384'), createSigner('f', 'RSA'), createSigner('g', 'RSA')]
  const under = async (...all: readonly Signer[]): Promise<string> =>
    reasonOf(await verify(token, { bundles: mapOf(JwtBundle.parse('saas.example', toDocument(...all))) }))

  assert.equal(await under(...misfits, ...fillers.slice(0, 3), signer), 'ok')
  assert.equal(await under(...misfits, ...fillers, signer), 'signature_invalid')
  assert.equal(await under(...misfits), 'key_unknown')
})

test('a key that its publisher restricts to one algorithm verifies no other', async () => {
  const rsa = createSigner('rsa', 'RSA')
  const restricted = { ...rsa, jwk: { ...rsa.jwk, alg: 'PS256' } }
  const under = mapOf(JwtBundle.parse('saas.example', toDocument(restricted)))

  for (const [alg, reason] of [
    ['PS256', 'ok'],
    ['RS256', 'key_unknown'],
    ['PS384', 'key_unknown'],
  ] as const) {
    const token = craft({ alg, kid: 'rsa' }, claims, rsa.privateKey)
    assert.equal(reasonOf(await verify(token, { bundles: under })), reason, alg)
  }
})

test('two keys with the same kid are both tried', async () => {
  const twin = createSigner('first')
  const under = mapOf(JwtBundle.parse('saas.example', toDocument(twin, signer)))

  assert.equal(reasonOf(await verify(craft(header, claims, signer.privateKey), { bundles: under })), 'ok')
})

test('a signature in DER instead of R and S is refused', async () => {
  const input = `${encode(header)}.${encode(claims)}`
  const { sign: signDer } = await import('node:crypto')
  const der = signDer('sha256', Buffer.from(input), signer.privateKey).toString('base64url')

  assert.equal(reasonOf(await verify(`${input}.${der}`)), 'signature_invalid')
})

test('refuses a second spelling of the same token', async () => {
  const token = craft(header, claims, signer.privateKey)
  // The last character of 64 bytes carries four unused bits.
  const last = token.at(-1) ?? ''
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const spelled = `${token.slice(0, -1)}${alphabet[alphabet.indexOf(last) + 1]}`

  assert.equal(reasonOf(await verify(token)), 'ok')
  assert.equal(reasonOf(await verify(spelled)), 'token_malformed')
  assert.equal(reasonOf(await verify(` ${token}`)), 'token_malformed')
  assert.equal(reasonOf(await verify(`${token}\n`)), 'token_malformed')
})

test('refuses a token above 16 KiB before it is decoded', async () => {
  const { length } = craft(header, { ...claims, filler: '' }, signer.privateKey)
  const fill = (count: number): string => craft(header, { ...claims, filler: 'x'.repeat(count) }, signer.privateKey)
  const most = Math.floor(((16_384 - length) * 3) / 4)

  assert.equal(reasonOf(await verify(fill(most))), 'ok')
  assert.equal(reasonOf(await verify(fill(most + 8))), 'token_too_large')
  assert.equal(reasonOf(await verify('.'.repeat(100_000_000))), 'token_too_large')
})

test('a bundle under the name of another trust domain proves no one', async () => {
  const [bundle] = bundles.values()
  assert.ok(bundle !== undefined)
  const crossed: JwtBundles = new Map([['partner.example', bundle]])
  const token = craft(header, { ...claims, sub: 'spiffe://partner.example/sa/core-api' }, signer.privateKey)

  assert.equal(reasonOf(await verify(token, { bundles: crossed })), 'trust_domain_unknown')
})

test('a refusal names the SPIFFE ID that the token claims, once it could be read', async () => {
  const verdict = await verify(craft(header, { ...claims, exp: 0 }, signer.privateKey))
  assert.ok(!verdict.ok)
  assert.equal(verdict.spiffeId, id)

  const earlier = await verify(craft({ ...header, alg: 'HS256' }, claims, signer.privateKey, 'ES256'))
  assert.ok(!earlier.ok)
  assert.equal(earlier.spiffeId, undefined)
})

test('a proof is an object of the class that only the verifier creates', async () => {
  const verdict = await verify(craft(header, claims, signer.privateKey))
  assert.ok(verdict.ok)
  const svid: JwtSvid = verdict.svid

  assert.equal(svid.constructor.name, 'JwtSvid')
})
