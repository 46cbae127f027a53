import assert from 'node:assert/strict'
import test from 'node:test'
import type { Certificate } from '../../packages/spiffe/src/certificate/certificate.ts'
import { decodeCertificate } from '../../packages/spiffe/src/certificate/decode.ts'
import { maxSignatureChecks } from '../../packages/spiffe/src/certificate/path-edges.ts'
import {
  authorityKeyId,
  extension,
  generalName,
  hex,
  name,
  nameConstraints,
  sequence,
  subjectKeyId,
  time,
  tlv,
  subjectAlternativeName,
} from './encode.ts'
import { type Entity, entity, issueLeaf, keyPair, now } from './issue.ts'
import {
  authority,
  leafOf,
  lower,
  lowerCertificate,
  middle,
  middleCertificate,
  pathOf,
  reasonOf,
  root,
  rootCertificate,
  verify,
  workload,
} from './paths.ts'

const junk = (count: number): readonly Certificate[] => Array.from({ length: count }, () => middleCertificate)

const detailOf = (leaf: Buffer): string => {
  const verdict = verify(decodeCertificate(leaf), [], [])
  return verdict.ok ? '' : verdict.detail
}

test('verifies a leaf directly below an authority', () => {
  const leaf = leafOf(root)

  assert.deepEqual(pathOf(verify(leaf)), [leaf, rootCertificate])
})

test('verifies a path with intermediates in any order, with duplicates, the root and unrelated certificates', () => {
  const leaf = leafOf(lower)
  const junk = authority(entity('junk'))
  const presented = [rootCertificate, lowerCertificate, junk, middleCertificate, leaf, lowerCertificate]

  assert.deepEqual(pathOf(verify(leaf, presented)), [leaf, lowerCertificate, middleCertificate, rootCertificate])
})

test('accepts an intermediate in the bundle as the end of the path, self-signed or not', () => {
  const leaf = leafOf(middle)

  assert.deepEqual(pathOf(verify(leaf, [middleCertificate], [middleCertificate])), [leaf, middleCertificate])
  const both = verify(leaf, [middleCertificate], [rootCertificate, middleCertificate])
  assert.deepEqual(pathOf(both), [leaf, middleCertificate])
})

test('accepts an intermediate in the bundle as the end of the path if it is decoded again', () => {
  const leaf = leafOf(middle)
  const again = decodeCertificate(middleCertificate.der)

  assert.equal(verify(leaf, [again], [middleCertificate]).ok, true)
})

test('prefers the path that ends at an authority immediately', () => {
  const other = entity('other root', 'P-256', 6)
  const crossSigned = authority(root, { by: other })
  const leaf = leafOf(root)

  const verdict = verify(leaf, [crossSigned], [authority(other), rootCertificate])

  assert.deepEqual(pathOf(verdict), [leaf, rootCertificate])
})

test('tries every authority of the same name', () => {
  const namesakes = [1, 2, 3].map((number) => authority({ ...root, keys: keyPair('P-256', number) }))
  const leaf = leafOf({ ...root, keys: keyPair('P-256', 3) })

  assert.deepEqual(pathOf(verify(leaf, [], namesakes)), [leaf, namesakes[2]])
})

test('accepts only the issuer that the authority key identifier names, like OpenSSL', () => {
  const right = authority(root, { extensions: { id: subjectKeyId('aaaa') } })
  const renamed = authority(root, { extensions: { id: subjectKeyId('bbbb') } })
  const bare = authority(root)
  const by = (...fields: readonly Buffer[]): Certificate =>
    leafOf(root, { extensions: { id: extension('2.5.29.35', sequence(...fields)) } })
  const key = (id: string): Buffer => tlv(0x80, hex(id))
  const serial = (id: string): Buffer => tlv(0x82, hex(id))
  const issuer = (...names: readonly Buffer[]): Buffer => tlv(0xa1, ...names)
  const otherIssuer = generalName.directory(name('O=Test', 'CN=elsewhere'))
  const sameIssuer = generalName.directory(root.name)

  assert.deepEqual(pathOf(verify(by(key('aaaa')), [], [renamed, right])).at(1), right)
  assert.deepEqual(pathOf(verify(by(key('cccc')), [], [right, bare])).at(1), bare)
  assert.deepEqual(pathOf(verify(by(serial(right.serialNumber)), [], [renamed, right])).at(1), right)
  assert.equal(verify(by(key('aaaa'), issuer(sameIssuer), serial(right.serialNumber)), [], [right]).ok, true)
  assert.equal(verify(by(issuer(generalName.dns('a.example'), sameIssuer, otherIssuer)), [], [right]).ok, true)
  for (const leaf of [
    by(key('cccc')),
    by(key('aaaa'), serial(renamed.serialNumber)),
    by(serial(renamed.serialNumber)),
    by(key('aaaa'), issuer(otherIssuer), serial(right.serialNumber)),
    by(issuer(generalName.dns('a.example'), otherIssuer, sameIssuer)),
  ]) {
    assert.equal(reasonOf(verify(leaf, [], [right])), 'key_identifier_mismatch')
  }
  const verdict = verify(by(key('cccc')), [], [right])
  assert.match(
    verdict.ok ? '' : verdict.detail,
    /key identifier of 'CN=workload,O=Test' \('spiffe:[^']*'\) names the key cccc, but .* has the key aaaa;/,
  )
})

test('does not exceed 32 signature checks to find the reason for a refusal', () => {
  const junk = Array.from({ length: 31 }, (_, index) => authority({ ...root, keys: keyPair('P-256', 1 + (index % 3)) }))
  const strayed = authority(root, { by: middle, extensions: { id: authorityKeyId('bbbb') } })
  const identified = authority(middle, { extensions: { id: subjectKeyId('aaaa') } })
  const other = entity('other root', 'P-256', 6)
  const rescue = authority(root, { by: other })

  assert.equal(verify(leafOf(root), [strayed, rescue], [...junk.slice(3), identified, authority(other)]).ok, true)
  const verdict = verify(leafOf(root), [strayed, rescue], [...junk, identified, authority(other)])
  assert.equal(reasonOf(verdict), 'too_many_signature_checks')
})

test('tries another path if an intermediate names another issuer', () => {
  const extensions = { id: authorityKeyId('cccc') }
  const strayed = authority(middle, { by: root, extensions })
  const identified = authority(root, { extensions: { id: subjectKeyId('aaaa') } })

  assert.equal(reasonOf(verify(leafOf(middle), [strayed], [identified])), 'key_identifier_mismatch')
  assert.equal(verify(leafOf(middle), [strayed, middleCertificate], [identified]).ok, true)
})

test("finds a path through intermediates that have their authority's name, with and without key identifiers", () => {
  const named = (number: number): Entity => ({ ...root, keys: keyPair('P-256', number) })
  const first = authority(named(3), { by: root })
  const second = authority(named(4), { by: named(3) })
  const leaf = leafOf(named(4))

  for (const presented of [
    [first, second],
    [second, first],
  ]) {
    assert.deepEqual(pathOf(verify(leaf, presented)), [leaf, second, first, rootCertificate])
  }
})

test('finds the right one of 100 authorities with the same name by its key identifier', () => {
  const namesakes = Array.from({ length: 100 }, (_, index) => {
    const keys = keyPair('P-256', index % 4)
    const id = subjectKeyId(index.toString(16).padStart(4, '0'))
    return authority({ ...root, keys }, { extensions: { id } })
  })
  const right = authority({ ...root, keys: keyPair('P-256', 9) }, { extensions: { id: subjectKeyId('ffff') } })
  const leaf = leafOf({ ...root, keys: keyPair('P-256', 9) }, { extensions: { id: authorityKeyId('ffff') } })

  assert.deepEqual(pathOf(verify(leaf, [], [...namesakes, right])), [leaf, right])
})

test('tries another path if one of two cross-signed certificates leads nowhere', () => {
  const other = entity('other root', 'P-256', 6)
  const expired = authority(middle, { by: root, fields: { notAfter: time(now - 5000) } })
  const crossSigned = authority(middle, { by: other })
  const leaf = leafOf(middle)

  const verdict = verify(leaf, [expired, crossSigned], [rootCertificate, authority(other)])

  assert.deepEqual(pathOf(verdict).at(1), crossSigned)
})

test('verifies every type of key and signature on one path', () => {
  for (const type of ['P-256', 'P-384', 'P-521', 'RSA-2048', 'Ed25519'] as const) {
    const anchor = entity('anchor', type)
    const leaf = decodeCertificate(issueLeaf(entity('workload', type, 1), { by: anchor }))

    assert.equal(verify(leaf, [], [authority(anchor)]).ok, true, type)
  }
})

test('rejects a chain without an authority of the bundle, however complete it is', () => {
  const stranger = entity('stranger', 'P-256', 3)

  assert.equal(reasonOf(verify(leafOf(stranger), [authority(stranger)])), 'unknown_authority')
  assert.equal(reasonOf(verify(leafOf(middle))), 'unknown_authority')
  assert.equal(reasonOf(verify(leafOf(middle), [middleCertificate], [])), 'unknown_authority')
  assert.equal(reasonOf(verify(decodeCertificate(issueLeaf(workload, { by: workload })))), 'unknown_authority')
})

test('rejects an authority as a leaf', () => {
  assert.equal(reasonOf(verify(rootCertificate)), 'leaf_is_authority')
  assert.equal(reasonOf(verify(middleCertificate, [], [rootCertificate, middleCertificate])), 'leaf_is_authority')
})

test('tries another path if names are constrained on the first', () => {
  const other = entity('other root', 'P-256', 6)
  const limited = authority(root, { extensions: { x: nameConstraints({ permitted: [generalName.uri('x.example')] }) } })
  const leaf = leafOf(middle)

  const verdict = verify(leaf, [middleCertificate, authority(middle, { by: other })], [limited, authority(other)])

  assert.equal(verdict.ok, true)
})

test('considers at most 16 certificates', () => {
  assert.equal(verify(leafOf(middle), junk(15)).ok, true)
  assert.equal(reasonOf(verify(leafOf(middle), junk(16))), 'too_many_certificates')
})

const bulky = (bytes: number): Certificate =>
  authority(middle, { by: root, extensions: { bulk: extension('1.2.3', tlv(0x04, Buffer.alloc(bytes))) } })

test('considers at most 64 KiB of certificates', () => {
  assert.equal(verify(leafOf(middle), [bulky(63_000)]).ok, true)
  assert.equal(reasonOf(verify(leafOf(middle), [bulky(65_536)])), 'chain_too_large')
})

test('trusts no certificate of a set that share a name and sign each other', () => {
  const ring = Array.from({ length: 4 }, (_, index) => ({ ...entity('ring'), keys: keyPair('P-256', index) }))
  const crossSigned = ring.flatMap((subject) => ring.map((by) => authority(subject, { by })))
  const [first = root] = ring
  const outsider = authority({ ...first, keys: keyPair('P-256', 9) })

  const verdict = verify(leafOf(first), crossSigned.slice(0, 15), [outsider])

  assert.equal(reasonOf(verdict), 'signature_invalid')
})

test('stops after exactly 32 signature checks', () => {
  const namesakes = Array.from({ length: 33 }, (_, index) =>
    authority({ ...root, keys: keyPair('P-256', 1 + (index % 3)) }, { extensions: { id: subjectKeyId('aaaa') } }),
  )
  const leaf = leafOf(root)
  const at = (position: number): readonly Certificate[] => [
    ...namesakes.slice(0, position),
    authority(root, { extensions: { id: subjectKeyId('aaaa') } }),
  ]

  assert.equal(maxSignatureChecks, 32)
  assert.equal(verify(leaf, [], at(31)).ok, true)
  assert.equal(reasonOf(verify(leaf, [], at(32))), 'too_many_signature_checks')
  assert.equal(reasonOf(verify(leaf, [], namesakes.slice(0, 32))), 'signature_invalid')
})

test('reports the most specific refusal of several candidates', () => {
  const impostor = authority({ ...root, keys: keyPair('P-256', 7) })
  const expired = authority(root, { fields: { notAfter: time(now - 5000) } })
  const unknownAbove = authority(root, { by: entity('elsewhere') })

  assert.equal(reasonOf(verify(leafOf(root), [], [impostor, expired])), 'expired')
  assert.equal(reasonOf(verify(leafOf(root), [], [expired, impostor])), 'expired')
  assert.equal(reasonOf(verify(leafOf(root), [unknownAbove], [expired])), 'expired')
  assert.equal(reasonOf(verify(leafOf(root), [unknownAbove], [impostor])), 'unknown_authority')
  const elsewhere = authority(middle, { by: entity('elsewhere') })
  assert.equal(reasonOf(verify(leafOf(middle), [elsewhere, middleCertificate], [impostor])), 'signature_invalid')
})

test('names the certificates, shortened and escaped so that they cannot forge a log line', () => {
  const odd = { ...workload, name: name(`CN=a'b\\c\nforged \u202e${'x'.repeat(200)}`) }
  const byUri = { ...workload, name: name() }
  const nameless = { extensions: { names: null } }
  const noUri = { extensions: { names: subjectAlternativeName(generalName.dns('saas.example')) } }

  const detail = detailOf(issueLeaf(odd, { by: root }))
  assert.match(detail, /CN=root/)
  assert.match(detail, /'CN=a\\'b\\{4}c\\u\{a\}forged \\u\{202e\}x+…'/)
  assert.ok(detail.length < 500)
  assert.match(detailOf(issueLeaf(byUri, { by: root })), /'spiffe:\/\/saas\.example\/ns/)
  assert.match(detailOf(issueLeaf(byUri, { by: root, ...nameless })), /serial number/)
  assert.match(detailOf(issueLeaf(byUri, { by: root, ...noUri })), /serial number/)
})

test('does not search above a certificate whose subject and key are already on the path', () => {
  const selfSignedLeaf = decodeCertificate(issueLeaf(root, { by: root }))

  assert.equal(reasonOf(verify(selfSignedLeaf)), 'unknown_authority')
})
