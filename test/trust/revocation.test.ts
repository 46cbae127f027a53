import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { test } from 'node:test'
import { applyCrls } from '@countersign/spiffe'
import { type BundleFault, decodeCrl, X509Bundle } from '@countersign/core'
import { type Authority, createAuthority } from '@countersign/testkit'
import { decodeCertificate } from '../../packages/spiffe/src/certificate/decode.ts'
import { extension, hex, sequence, tlv } from '../certificate/encode.ts'
import { keyPair, signer } from '../certificate/issue.ts'
import { type CrlFields, entry } from '../certificate/revocation-list.ts'
import { crlOf, listsOf } from './crls.ts'

const authority = await createAuthority('saas.example')
const partner = await createAuthority('partner.example')
const lower = await authority.intermediate()

const bundleOf = ({ trustDomain, bundlePem }: Authority): X509Bundle => X509Bundle.parse(trustDomain, bundlePem)
const ours = bundleOf(authority)
const theirs = bundleOf(partner)
const bundles = new Map([ours, theirs].map((bundle) => [bundle.trustDomain, bundle]))
const none: ReadonlySet<string> = new Set()

/** The fingerprints of each bundle's lists, and whether it requires them. */
function placesOf(applied: ReadonlyMap<string, X509Bundle>): unknown {
  return [...applied.values()].map(({ revocation, requiresCrl }) => [
    revocation.crls.map(({ sha256 }) => sha256),
    requiresCrl,
  ])
}

const keyIdOf = ({ certificateDer }: Authority): string => decodeCertificate(certificateDer).subjectKeyId ?? ''

const sha256 = (der: Uint8Array): string => decodeCrl(der).sha256

test('a bundle has and requires no revocation list by default', () => {
  assert.equal(ours.requiresCrl, false)
  assert.deepEqual(ours.revocation.crls, [])
})

test('a bundle with revocation lists is another object with another fingerprint, and otherwise equal', () => {
  const crl = decodeCrl(crlOf(authority))
  const changed = ours.withRevocation([crl, crl])
  assert.deepEqual(changed.revocation.crls, [crl])
  assert.equal(changed.requiresCrl, true)
  assert.equal(changed.authorities, ours.authorities)
  assert.equal(changed.trustDomain, ours.trustDomain)
  assert.equal(ours.requiresCrl, false)
  const other = decodeCrl(crlOf(authority, { revoked: [{ serialNumber: '01' }] }))
  const fingerprints = [
    ours,
    changed,
    ours.withRevocation([]),
    ours.withRevocation([crl], false),
    ours.withRevocation([other]),
    ours.withRevocation([crl, other]),
  ].map(({ fingerprint }) => fingerprint)
  assert.equal(new Set(fingerprints).size, fingerprints.length)
  assert.equal(ours.withRevocation([other, crl]).fingerprint, ours.withRevocation([crl, other]).fingerprint)
  assert.equal(ours.withRevocation([], false).fingerprint, ours.fingerprint)
})

test('a bundle that requires revocation lists continues to require them', () => {
  assert.equal(ours.withRevocation([]).withRevocation([], false).requiresCrl, true)
})

test('keeps sequence number and refresh hint of a bundle document', () => {
  const document = X509Bundle.parse('saas.example', '{"keys":[],"spiffe_sequence":7,"spiffe_refresh_hint":60}')
  const changed = document.withRevocation([])
  assert.equal(changed.sequence, 7n)
  assert.equal(changed.refreshHintSeconds, 60)
})

test('assigns a list to the bundle whose authority signed it', () => {
  const crl = crlOf(authority)
  const applied = applyCrls(bundles, [crl], none)
  assert.deepEqual(placesOf(applied), [
    [[sha256(crl)], true],
    [[], false],
  ])
})

test('assigns a list to every bundle with the authority that signed it', () => {
  const shared = X509Bundle.parse('other.example', `${partner.bundlePem}${authority.bundlePem}`)
  const crl = crlOf(authority)
  const applied = applyCrls(new Map([...bundles, ['other.example', shared]]), [crl], none)
  assert.deepEqual(placesOf(applied), [
    [[sha256(crl)], true],
    [[], false],
    [[sha256(crl)], true],
  ])
})

test('assigns a list that no authority signed to every bundle, without requiring lists of the others', () => {
  const [own, below] = [crlOf(authority), crlOf(lower)]
  assert.deepEqual(placesOf(applyCrls(bundles, [below], none)), [
    [[sha256(below)], false],
    [[sha256(below)], false],
  ])
  assert.deepEqual(placesOf(applyCrls(bundles, [below, own], none)), [
    [[sha256(own), sha256(below)], true],
    [[sha256(below)], false],
  ])
})

const namesSameKey = extension('2.5.29.35', sequence(tlv(0x80, hex(keyIdOf(authority)))))
const namesOtherKey = extension('2.5.29.35', sequence(tlv(0x80, hex('0badcafe'))))

test('offers a list to a bundle whose authority it names but whose key did not sign it, without requiring it, because an intermediate of that name may have signed it', () => {
  for (const extensions of [null, [namesSameKey], [namesOtherKey]]) {
    const forged = crlOf(
      { certificateDer: authority.certificateDer, keyPem: partner.keyPem },
      { fields: { extensions } },
    )
    assert.deepEqual(placesOf(applyCrls(bundles, [forged], none)), [
      [[sha256(forged)], false],
      [[sha256(forged)], false],
    ])
  }
})

test("accepts an authority's list that names another key than the authority's certificate does", () => {
  const crl = crlOf(authority, { fields: { extensions: [namesOtherKey] } })
  assert.deepEqual(placesOf(applyCrls(bundles, [crl], none)), [
    [[sha256(crl)], true],
    [[], false],
  ])
})

test("a trust domain that publishes another's intermediate does not receive its list", async () => {
  const thief = X509Bundle.parse('partner.example', `${partner.bundlePem}${lower.certificatePem}`)
  // Self-issued, with the name and the key of our intermediate, and signed by another key.
  const forged = await createAuthority('partner.example', {
    name: 'saas.example intermediate',
    key: lower.key,
    faults: ['bad_signature'],
  })
  const forger = X509Bundle.parse('partner.example', `${partner.bundlePem}${forged.bundlePem}`)
  const below = crlOf(lower)
  for (const theirBundle of [thief, forger]) {
    const applied = applyCrls(new Map([...bundles, ['partner.example', theirBundle]]), [below], none)
    assert.deepEqual(placesOf(applied), [
      [[], false],
      [[sha256(below)], true],
    ])
    const issued = applied.get('saas.example')?.revocation.findIssued(decodeCertificate(lower.certificateDer))
    assert.deepEqual(
      issued?.crls.map((crl) => crl.sha256),
      [sha256(below)],
    )
  }
})

test('requires no list of the only bundle for a list that its authority did not sign', () => {
  for (const crl of [crlOf(lower), crlOf(partner)]) {
    const applied = applyCrls(new Map([['saas.example', ours]]), [crl], none)
    assert.deepEqual(placesOf(applied), [[[sha256(crl)], false]])
  }
})

test('requires lists only of a trust domain that supplied some before', () => {
  const applied = applyCrls(bundles, [], new Set(['saas.example', 'gone.example']))
  assert.deepEqual(placesOf(applied), [
    [[], true],
    [[], false],
  ])
  assert.equal(applied.get('partner.example'), theirs)
})

test('requires a list that cannot be applied, because its authority has no cRLSign', async () => {
  const barred = await createAuthority('barred.example', { keyUsages: ['keyCertSign'] })
  const applied = applyCrls(new Map([...bundles, ['barred.example', bundleOf(barred)]]), [crlOf(barred)], none)
  assert.equal(applied.get('barred.example')?.requiresCrl, true)
  assert.equal(applied.get('saas.example')?.requiresCrl, false)
})

test('does not change the given bundles', () => {
  applyCrls(bundles, [crlOf(authority)], none)
  assert.equal(bundles.get('saas.example'), ours)
  assert.equal(ours.requiresCrl, false)
})

const junk = Buffer.from('junk')
const named = (trustDomain: string | undefined, code: BundleFault['code']): unknown => [trustDomain, code]
const faultsOf = (applied: ReadonlyMap<string, X509Bundle>): unknown =>
  [...applied.values()].map(({ faults }) => faults.map(({ trustDomain, code }) => named(trustDomain, code)))

test('leaves out a list that cannot be read, reports it, and keeps the others', () => {
  const crl = crlOf(authority)
  const applied = applyCrls(bundles, [junk, crl], none)
  assert.deepEqual(placesOf(applied), [
    [[sha256(crl)], true],
    [[], false],
  ])
  // Its owner cannot be determined.
  const unplaced = [named(undefined, 'crl_malformed')]
  assert.deepEqual(faultsOf(applied), [unplaced, unplaced])
})

test('only a trust domain whose list cannot be read requires a current one', () => {
  const rsa = { signer: signer(keyPair('RSA-2048').privateKey, 'sha1') }
  assert.deepEqual(placesOf(applyCrls(bundles, [crlOf(authority, { fields: rsa })], none)), [
    [[], false],
    [[], false],
  ])
  const partial: Partial<CrlFields> = { extensions: [extension('2.5.29.27', tlv(0x02, hex('01')), true)] }
  for (const fields of [partial, { nextUpdate: Buffer.alloc(0) }]) {
    const applied = applyCrls(bundles, [crlOf(authority, { fields })], none)
    assert.deepEqual(placesOf(applied), [
      [[], true],
      [[], false],
    ])
    assert.deepEqual(faultsOf(applied), [[named('saas.example', 'crl_unsupported')], []])
  }
  // Signed by another key under our name.
  const forged = crlOf({ certificateDer: authority.certificateDer, keyPem: partner.keyPem }, { fields: partial })
  assert.equal(applyCrls(bundles, [forged], none).get('saas.example')?.requiresCrl, false)
})

test('a trust domain that signs its lists with SHA-1 requires a current one, because such a list is ignored', async () => {
  const rsa = await createAuthority('rsa.example', { keyType: 'RSA-2048' })
  const all = new Map([...bundles, ['rsa.example', bundleOf(rsa)]])
  const weak = { signer: signer(createPrivateKey(rsa.keyPem), 'sha1') }
  const applied = applyCrls(all, [crlOf(rsa, { fields: weak })], none)
  assert.equal(applied.get('rsa.example')?.requiresCrl, true)
  assert.deepEqual(faultsOf(applied), [[], [], [named('rsa.example', 'crl_unsupported')]])
})

test('a list whose signer is unreadable requires no list of the only bundle', () => {
  const applied = applyCrls(new Map([['saas.example', ours]]), [junk], none)
  assert.equal(applied.get('saas.example')?.requiresCrl, false)
  assert.deepEqual(faultsOf(applied), [[named(undefined, 'crl_malformed')]])
})

test('a trust domain that has supplied lists requires a current one if its list becomes unreadable', () => {
  const applied = applyCrls(bundles, [junk], new Set(['partner.example']))
  assert.deepEqual(placesOf(applied), [
    [[], false],
    [[], true],
  ])
})

test('counts a duplicate list once', () => {
  const crl = crlOf(authority)
  const applied = applyCrls(
    bundles,
    Array.from({ length: 1500 }, () => Buffer.from(crl)),
    none,
  )
  assert.deepEqual(placesOf(applied), [
    [[sha256(crl)], true],
    [[], false],
  ])
})

test('accepts 64 lists of a trust domain; with more it requires a current one, has none, and affects no other', () => {
  const own = crlOf(authority)
  const most = applyCrls(bundles, [...listsOf(partner, 64), own], none)
  assert.equal(most.get('partner.example')?.revocation.crls.length, 64)
  const applied = applyCrls(bundles, [...listsOf(partner, 65), own], none)
  assert.deepEqual(placesOf(applied), [
    [[sha256(own)], true],
    [[], true],
  ])
  assert.deepEqual(faultsOf(applied), [[], [named('partner.example', 'bundle_too_large')]])
})

test('accepts 4 MiB of lists of a trust domain; with more it requires a current one, has none, and affects no other', () => {
  const entries = Array.from({ length: 40_000 }, () => entry(tlv(0x02, hex('01020304'))))
  const large = Array.from({ length: 5 }, (_, index) =>
    crlOf(partner, { nextUpdate: Date.now() + 3_600_000 + index * 1000, fields: { entries } }),
  )
  assert.ok(large.every(({ length }) => length < 1024 * 1024))
  const own = crlOf(authority)
  const most = applyCrls(bundles, [...large.slice(1), own], none)
  assert.equal(most.get('partner.example')?.revocation.crls.length, 4)
  const applied = applyCrls(bundles, [...large, own], none)
  assert.deepEqual(placesOf(applied), [
    [[sha256(own)], true],
    [[], true],
  ])
  assert.deepEqual(faultsOf(applied), [[], [named('partner.example', 'bundle_too_large')]])
})
