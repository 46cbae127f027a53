import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readAudiences, staticJwtBundles } from '@countersign/spiffe/jwt'
import { CertificateError, ConfigurationError } from '@countersign/spiffe'
import * as fc from 'fast-check'
import { createSigner, encode, toDocument } from './tokens.ts'

const header = encode({ alg: 'ES256' })

test('returns the audiences of a token without verifying it', () => {
  assert.deepEqual(readAudiences(`${header}.${encode({ aud: 'billing' })}.`), ['billing'])
  assert.deepEqual(readAudiences(`${header}.${encode({ aud: ['billing', 'ledger'] })}.x`), ['billing', 'ledger'])
  assert.deepEqual(readAudiences(`${header}.${encode({ aud: ['billing', 1] })}.x`), ['billing'])
  assert.deepEqual(readAudiences(`${header}.${encode({})}.x`), [])
})

test('recognizes malformed tokens for us, so that they can be denied', () => {
  assert.deepEqual(readAudiences(`${header}==.${encode({ aud: 'billing' })}==.!`), ['billing'])
  assert.deepEqual(readAudiences(`${encode({})}.${encode('{"sub":"a","sub":"b","aud":"billing"}')}.x`), ['billing'])
})

test('returns undefined for anything else', () => {
  const claims = encode({ aud: 'billing' })
  const others = [
    '',
    'opaque',
    `${header}.${claims}`,
    `${header}.${claims}.x.y`,
    `${header}.${claims}.x.y.z`,
    `${encode('[]')}.${claims}.x`,
    `${header}.${encode('[]')}.x`,
    `${header}.${encode('null')}.x`,
    `${header}.${encode('not json')}.x`,
    `${header}.${claims}.${'x'.repeat(16_384)}`,
  ]
  for (const text of others) assert.equal(readAudiences(text), undefined, text.slice(0, 60))
  assert.equal(Reflect.apply(readAudiences, undefined, [undefined]), undefined)
})

test('never throws', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.json(), (one, two) => {
      readAudiences(one)
      readAudiences(`${encode(two)}.${encode(two)}.${one}`)
    }),
  )
})

test('a static source returns its bundles and never changes', () => {
  const source = staticJwtBundles({ 'saas.example': toDocument(createSigner('first')) })
  source.onChange(() => assert.fail('a static source never changes'))()

  assert.deepEqual([...source.current().keys()], ['saas.example'])
  assert.deepEqual(source.current().get('saas.example')?.keyIds, ['first'])
  assert.equal(source.current(), source.current())
})

test('a static source refuses what is not a bundle of a trust domain', () => {
  for (const bundles of [{}, undefined, [], new Map(), 'bundle.json']) {
    assert.throws(() => Reflect.apply(staticJwtBundles, undefined, [bundles]), ConfigurationError)
  }
  assert.throws(() => staticJwtBundles({ 'saas.example': 'no json' }), CertificateError)
})
