import assert from 'node:assert/strict'
import test from 'node:test'
import { decodeCertificate } from '../../packages/spiffe/src/certificate/decode.ts'
import {
  basicConstraints,
  extendedKeyUsage,
  extension,
  generalName,
  keyUsage,
  nameConstraints,
  nullValue,
  subjectAlternativeName,
  time,
} from './encode.ts'
import { anyUsage, clientAuth, entity, type Issue, issueLeaf, keyPair, now, serverAuth, signer } from './issue.ts'
import {
  authority,
  leafOf,
  lower,
  lowerCertificate,
  middle,
  middleCertificate,
  reasonOf,
  root,
  rootCertificate,
  verify,
  workload,
} from './paths.ts'

const withUsage = (...usages: readonly string[]): Issue => ({
  extensions: { extendedKeyUsage: extendedKeyUsage(...usages) },
})
const limited = (limit: number): Issue => ({ extensions: { basicConstraints: basicConstraints(true, limit) } })

test('returns the earliest expiry of the path', () => {
  const early = authority(middle, { by: root, fields: { notAfter: time(now + 60_000) } })
  const verdict = verify(leafOf(middle), [early])

  assert.equal(verdict.ok && verdict.expiresAt, now + 61_000)
})

test('treats notBefore and notAfter as inclusive to the second', () => {
  const fields = { notBefore: time(now), notAfter: time(now + 10_000) }
  const leaf = leafOf(root, { fields })
  const at = (moment: number): string => reasonOf(verify(leaf, [], [rootCertificate], { now: moment }))

  assert.equal(at(now - 1), 'not_yet_valid')
  assert.equal(at(now), 'ok')
  assert.equal(at(now + 10_999), 'ok')
  assert.equal(at(now + 11_000), 'expired')
  assert.equal(at(Number.NaN), 'not_yet_valid')
})

test('checks the dates of every certificate of the path, including the authority', () => {
  const expired = { fields: { notAfter: time(now - 5000) } }
  const early = { fields: { notBefore: time(now + 5000) } }

  assert.equal(reasonOf(verify(leafOf(root, expired))), 'expired')
  assert.equal(reasonOf(verify(leafOf(middle), [authority(middle, { by: root, ...expired })])), 'expired')
  assert.equal(reasonOf(verify(leafOf(root), [], [authority(root, expired)])), 'expired')
  assert.equal(reasonOf(verify(leafOf(root, early))), 'not_yet_valid')
  assert.equal(reasonOf(verify(leafOf(middle), [authority(middle, { by: root, ...early })])), 'not_yet_valid')
  assert.equal(reasonOf(verify(leafOf(root), [], [authority(root, early)])), 'not_yet_valid')
})

// What makes an issuer unsuitable, as an intermediate and as an authority.
const unfit: readonly (readonly [what: string, issue: Issue, reason: string])[] = [
  ['no basicConstraints', { extensions: { basicConstraints: null } }, 'not_a_ca'],
  ['cA FALSE', { extensions: { basicConstraints: basicConstraints(false) } }, 'not_a_ca'],
  ['version 1', { fields: { version: Buffer.alloc(0), extensions: null } }, 'not_a_ca'],
  ['a key usage without keyCertSign', { extensions: { keyUsage: keyUsage(0, 6) } }, 'missing_key_cert_sign'],
  [
    'an unknown critical extension',
    { extensions: { odd: extension('1.2.3', nullValue, true) } },
    'unknown_critical_extension',
  ],
  [
    'an extended key usage for another purpose',
    { extensions: { usage: extendedKeyUsage(serverAuth) } },
    'wrong_extended_key_usage',
  ],
]

for (const [what, issue, reason] of unfit) {
  test(`rejects an issuer with ${what}`, () => {
    const intermediate = authority(middle, { by: root, ...issue })

    assert.equal(reasonOf(verify(leafOf(middle), [intermediate])), reason)
    assert.equal(reasonOf(verify(leafOf(root), [], [authority(root, issue)])), reason)
  })
}

test('accepts an issuer without key usage', () => {
  const bare = { extensions: { keyUsage: null } }

  assert.equal(verify(leafOf(middle), [authority(middle, { by: root, ...bare })]).ok, true)
  assert.equal(verify(leafOf(root), [], [authority(root, bare)]).ok, true)
})

test('requires the usage in every extended key usage of the path, and accepts anyExtendedKeyUsage only on issuers', () => {
  assert.equal(verify(leafOf(root, { extensions: { extendedKeyUsage: null } })).ok, true)
  assert.equal(reasonOf(verify(leafOf(root, withUsage(serverAuth)))), 'wrong_extended_key_usage')
  assert.equal(verify(leafOf(root, withUsage(serverAuth)), [], [rootCertificate], { usage: serverAuth }).ok, true)
  assert.equal(reasonOf(verify(leafOf(root, withUsage(anyUsage)))), 'wrong_extended_key_usage')
  for (const usage of [clientAuth, anyUsage]) {
    assert.equal(verify(leafOf(middle), [authority(middle, { by: root, ...withUsage(usage) })]).ok, true)
  }
})

test('rejects a leaf with an unknown critical extension', () => {
  const leaf = leafOf(root, { extensions: { odd: extension('1.2.3', nullValue, true) } })

  assert.equal(reasonOf(verify(leaf)), 'unknown_critical_extension')
})

test('never accepts a leaf as an issuer, even with a valid path', () => {
  const forged = decodeCertificate(issueLeaf(entity('forged', 'P-256', 7), { by: workload }))

  assert.equal(reasonOf(verify(forged, [leafOf(root)])), 'not_a_ca')
})

test('counts intermediates against the path length, but not the leaf or self-issued certificates', () => {
  const renewed = authority({ ...root, keys: keyPair('P-256', 8) }, { by: root })
  const belowRenewed = authority(middle, { by: { ...root, keys: keyPair('P-256', 8) } })
  const leaf = leafOf(middle)

  assert.equal(verify(leafOf(root), [], [authority(root, limited(0))]).ok, true)
  assert.equal(reasonOf(verify(leaf, [middleCertificate], [authority(root, limited(0))])), 'path_length_exceeded')
  assert.equal(verify(leaf, [middleCertificate], [authority(root, limited(1))]).ok, true)
  assert.equal(verify(leaf, [belowRenewed, renewed], [authority(root, limited(1))]).ok, true)
  assert.equal(reasonOf(verify(leaf, [belowRenewed, renewed], [authority(root, limited(0))])), 'path_length_exceeded')
  const strict = authority(middle, { by: root, ...limited(0) })
  assert.equal(reasonOf(verify(leafOf(lower), [lowerCertificate, strict])), 'path_length_exceeded')
})

test('does not count a CA leaf as an intermediate', () => {
  const strict = authority(root, { extensions: { basicConstraints: basicConstraints(true, 0) } })
  const leaf = leafOf(root, { extensions: { basicConstraints: basicConstraints(true) } })

  assert.equal(verify(leaf, [], [strict]).ok, true)
})

test('rejects weak keys of the leaf, an intermediate and an authority', () => {
  for (const type of ['RSA-1024', 'P-224', 'Ed448'] as const) {
    const weak = entity('weak', type)

    assert.equal(reasonOf(verify(decodeCertificate(issueLeaf(weak, { by: root })))), 'weak_key')
    const below = decodeCertificate(issueLeaf(workload, { by: weak }))
    assert.equal(reasonOf(verify(below, [authority(weak, { by: root })])), 'weak_key')
    assert.equal(reasonOf(verify(below, [], [authority(weak)])), 'weak_key')
  }
})

test('rejects weak and unknown signature algorithms below the authority', () => {
  const sha1 = { fields: { signer: signer(root.keys.privateKey, 'sha1') } }
  const unknown = { fields: { signer: signer(keyPair('Ed448').privateKey) } }

  assert.equal(reasonOf(verify(leafOf(root, sha1))), 'weak_signature')
  assert.equal(reasonOf(verify(leafOf(middle), [authority(middle, { by: root, ...sha1 })])), 'weak_signature')
  assert.equal(reasonOf(verify(leafOf(root, unknown))), 'unsupported_signature')
})

test("does not verify the authority's own signature", () => {
  const sha1 = { fields: { signer: signer(root.keys.privateKey, 'sha1') } }
  const broken = { fields: { damage: (signature: Buffer) => Buffer.from(signature).fill(1) } }

  assert.equal(verify(leafOf(root), [], [authority(root, sha1)]).ok, true)
  assert.equal(verify(leafOf(root), [], [authority(root, broken)]).ok, true)
})

test('rejects an altered signature and one made by another key', () => {
  const damaged = { fields: { damage: (signature: Buffer) => Buffer.from(signature).fill(1, 40) } }
  const impostor = { ...root, keys: keyPair('P-256', 7) }

  assert.equal(reasonOf(verify(leafOf(root, damaged))), 'signature_invalid')
  assert.equal(reasonOf(verify(leafOf(impostor))), 'signature_invalid')
  assert.equal(reasonOf(verify(leafOf(middle), [authority(middle, { by: root, ...damaged })])), 'signature_invalid')
})

test('applies the name constraints of intermediates and of the authority', () => {
  const only = nameConstraints({ permitted: [generalName.uri('saas.example')] })
  const limited = { extensions: { only } }
  const names = subjectAlternativeName(generalName.uri('spiffe://other.example/ns/x'))
  const foreign = { extensions: { names } }

  assert.equal(verify(leafOf(root), [], [authority(root, limited)]).ok, true)
  assert.equal(reasonOf(verify(leafOf(root, foreign), [], [authority(root, limited)])), 'name_constraint_violated')
  const intermediate = authority(middle, { by: root, ...limited })
  assert.equal(reasonOf(verify(leafOf(middle, foreign), [intermediate])), 'name_constraint_violated')
})
