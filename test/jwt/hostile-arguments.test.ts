import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigurationError } from '@countersign/spiffe'
import { verifyJwtSvid } from '@countersign/spiffe/jwt'
import * as fc from 'fast-check'
import { bundles, claims, header, now, reasonOf, signer, signParts, verify } from './billing-token.ts'
import { asObject } from './read-json.ts'
import { craft, encode } from './tokens.ts'

test('refuses values that are not text', async () => {
  for (const value of [undefined, null, 1, {}, [], Buffer.from('a.b.c')]) {
    const given = [value, { bundles, audiences: ['billing'], now }]
    const verdict: unknown = await Reflect.apply(verifyJwtSvid, undefined, given)
    assert.equal(asObject(verdict)['reason'], 'token_malformed')
  }
})

test('rejects with a ConfigurationError for options that would skip a check', async () => {
  const token = craft(header, claims, signer.privateKey)
  const wrong: readonly unknown[] = [
    undefined,
    { audiences: ['billing'], now },
    { bundles: {}, audiences: ['billing'], now },
    { bundles, now },
    { bundles, audiences: 'billing', now },
    { bundles, audiences: [''], now },
    { bundles, audiences: ['billing'] },
    { bundles, audiences: ['billing'], now: Number.NaN },
    { bundles, audiences: ['billing'], now: Infinity },
  ]
  for (const options of wrong) {
    await assert.rejects(async () => {
      await Reflect.apply(verifyJwtSvid, undefined, [token, options])
    }, ConfigurationError)
  }
})

test('a list of audiences that changes during the verification has no effect', async () => {
  const audiences = ['billing']
  const verdict = verifyJwtSvid(craft(header, claims, signer.privateKey), { bundles, audiences, now })
  audiences[0] = 'other'

  assert.equal(reasonOf(await verdict), 'ok')
})

test('no text is accepted or causes a rejection, and no detail shows a token', async () => {
  const token = craft(header, claims, signer.privateKey)
  const texts = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc
      .tuple(fc.json(), fc.json(), fc.base64String())
      .map(([one, two, three]) => `${encode(one)}.${encode(two)}.${three}`),
    fc.json().map((text) => signParts(JSON.stringify(header), text)),
    fc.nat(token.length - 1).map((at) => `${token.slice(0, at)}${token.slice(at + 1)}`),
    fc
      .tuple(fc.nat(token.length - 1), fc.base64String())
      .map(([at, more]) => token.slice(0, at) + more + token.slice(at)),
  )
  await fc.assert(
    fc.asyncProperty(texts, async (text) => {
      const verdict = await verify(text)
      assert.equal(verdict.ok, text === token)
      if (!verdict.ok) assert.ok(text.length < 30 || !verdict.detail.includes(text.slice(0, 30)), verdict.detail)
    }),
  )
})
