import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTrustDomain, SpiffeId, SpiffeIdError } from '@countersign/core'

const text = 'spiffe://saas.example/ns/production/sa/core-api'

test('is shown as the text that was parsed, also in JSON', () => {
  const id = SpiffeId.parse(text)
  assert.equal(id.toString(), text)
  assert.equal(JSON.stringify({ caller: id }), `{"caller":"${text}"}`)
})

test('has the segments of its path, and none without a path', () => {
  assert.deepEqual(SpiffeId.parse(text).segments, ['ns', 'production', 'sa', 'core-api'])
  assert.deepEqual(SpiffeId.parse('spiffe://saas.example').segments, [])
})

test('is immutable', () => {
  const id = SpiffeId.parse(text)
  assert.equal(Reflect.set(id, 'trustDomain', 'partner.example'), false)
  assert.equal(Reflect.set(id.segments, 0, 'sa'), false)
  assert.equal(id.trustDomain, 'saas.example')
})

test('does not equal a look-alike object', () => {
  const id = SpiffeId.parse(text)
  const equals = (other: SpiffeId): boolean => id.equals(other)
  const lookAlike = { trustDomain: id.trustDomain, path: id.path, toString: () => text }
  assert.equal(Reflect.apply(equals, id, [lookAlike]), false)
  assert.equal(Reflect.apply(equals, id, [text]), false)
})

test('rejects a value that is not a string', () => {
  for (const value of [undefined, null, 7, {}, [text]]) {
    for (const parse of [(input: string) => SpiffeId.parse(input), parseTrustDomain]) {
      assert.throws(
        () => Reflect.apply(parse, SpiffeId, [value]),
        (error) => error instanceof SpiffeIdError,
      )
    }
  }
})

test('shortens the found text in the message, whatever its length', () => {
  assert.throws(
    () => SpiffeId.parse(`https://saas.example/${'a'.repeat(1500)}`),
    (error) => error instanceof SpiffeIdError && error.message.length < 200,
  )
})

test('reads the trust domain of a SPIFFE ID, with or without a path', () => {
  assert.equal(parseTrustDomain(text), 'saas.example')
  assert.equal(parseTrustDomain('spiffe://saas.example'), 'saas.example')
})
