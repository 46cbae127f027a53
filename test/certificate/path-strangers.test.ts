import assert from 'node:assert/strict'
import test from 'node:test'
import type { Certificate } from '../../packages/spiffe/src/certificate/certificate.ts'
import { decodeCertificate } from '../../packages/spiffe/src/certificate/decode.ts'
import { authorityKeyId, basicConstraints, subjectKeyId } from './encode.ts'
import { type Entity, entity, issueLeaf, keyPair } from './issue.ts'
import { authority, leafOf, reasonOf, root, verify } from './paths.ts'
import { watchKey } from './watch-key.ts'

/*
 * Unauthenticated peers must not cause more work than they do themselves: signatures are verified from the authority
 * down.
 */

/**
 * Twelve with the same name and no key identifiers, each certified by another, and a certificate that the first one
 * issued.
 */
function createMesh(named: Entity): { readonly leaf: Certificate; readonly presented: readonly Certificate[] } {
  const ring = Array.from({ length: 12 }, (_, index) => ({ ...named, keys: keyPair('P-256', index + 1) }))
  const [first = named] = ring
  const presented = ring.map((subject, index) => authority(subject, { by: ring[(index + 1) % 12] ?? named }))
  return { leaf: leafOf(first), presented }
}

function sum(counters: readonly (() => number)[]): number {
  return counters.reduce((total, count) => total + count(), 0)
}

test('verifies no signature if no presented certificate names an authority', () => {
  const { leaf, presented } = createMesh(entity('stranger'))
  const trusted = authority(root)
  const counters = [trusted, ...presented].map(watchKey)

  assert.equal(reasonOf(verify(leaf, presented, [trusted])), 'unknown_authority')
  assert.equal(sum(counters), 0)
})

test('verifies one signature per certificate that names an authority, and none with an untrusted key', () => {
  const { leaf, presented } = createMesh(root)
  const trusted = authority(root)
  const countTrusted = watchKey(trusted)
  const counters = presented.map(watchKey)

  assert.equal(reasonOf(verify(leaf, presented, [trusted])), 'signature_invalid')
  assert.equal(countTrusted(), 13)
  assert.equal(sum(counters), 0)
})

test('verifies no signature with an untrusted key to explain a key identifier mismatch', () => {
  const stranger = entity('stranger')
  const issuer = authority(stranger, { by: root, extensions: { id: subjectKeyId('aaaa') } })
  const leaf = leafOf(stranger, { extensions: { id: authorityKeyId('bbbb') } })
  const countUses = watchKey(issuer)

  assert.equal(reasonOf(verify(leaf, [issuer], [authority(root)])), 'key_identifier_mismatch')
  assert.equal(countUses(), 0)
})

test('verifies one signature with the key of a caller that is not a CA', () => {
  const caller = entity('caller', 'P-256', 30)
  const called = decodeCertificate(issueLeaf(caller, { by: root }))
  const { leaf, presented } = createMesh(caller)
  const mesh = presented.map((_, index) => authority({ ...caller, keys: keyPair('P-256', index + 50) }, { by: caller }))
  const counters = [called, ...mesh, ...presented].map(watchKey)

  assert.equal(reasonOf(verify(leaf, [called, ...presented], [authority(root)])), 'signature_invalid')
  assert.equal(reasonOf(verify(leafOf(caller), [called, ...mesh], [authority(root)])), 'not_a_ca')
  assert.equal(sum(counters), 2)
})

test('does not try every path through a mesh of more intermediates than the limit', () => {
  const limited = authority(root, { extensions: { basicConstraints: basicConstraints(true, 0) } })
  const ring = Array.from({ length: 4 }, (_, index) => ({ ...entity('ring'), keys: keyPair('P-256', index + 1) }))
  const [first = root, second = root, third = root] = ring
  const mesh = ring.flatMap((subject) =>
    [first, second, third].filter((by) => by !== subject).map((by) => authority(subject, { by })),
  )
  const signed = ring.map((subject) => authority(subject, { by: root }))
  const countUses = watchKey(limited)

  assert.equal(
    reasonOf(verify(leafOf(first), [...mesh, ...signed].slice(0, 15), [limited])),
    'too_many_signature_checks',
  )
  assert.ok(countUses() <= 4, `found ${countUses()}`)
})
