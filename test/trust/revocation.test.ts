import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { test } from 'node:test'
import { applyCrls } from '@countersign/spiffe'
import { type BundleFault, decodeCrl, X509Bundle } from '@countersign/core'
import { type Authority, createAuthority } from '@countersign/testkit'
import { extension, hex, tlv } from '../certificate/encode.ts'
import { keyPair, signer } from '../certificate/issue.ts'
import type { CrlFields } from '../certificate/revocation-list.ts'
import { crlOf } from './crls.ts'

const authority = await createAuthority('saas.example')
const partner = await createAuthority('partner.example')
const lower = await authority.intermediate()

const bundleOf = ({ trustDomain, bundlePem }: Authority): X509Bundle => X509Bundle.parse(trustDomain, bundlePem)
const ours = bundleOf(authority)
const theirs = bundleOf(partner)
const bundles = new Map([ours, theirs].map((bundle) => [bundle.trustDomain, bundle]))
const none: ReadonlySet<string> = new Set()

/** The fingerprints of the lists that each bundle has, and whether it requires them. */
function placesOf(applied: ReadonlyMap<string, X509Bundle>): unknown {
  return [...applied.values()].map(({ revocation, requiresCrl }) => [
    revocation.crls.map(({ sha256 }) => sha256),
    requiresCrl,
  ])
}

const sha256 = (der: Uint8Array): string => decodeCrl(der).sha256

test('a bundle has and requires no revocation list of its own accord', () => {
  assert.equal(ours.requiresCrl, false)
  assert.deepEqual(ours.revocation.crls, [])
})

test('a bundle with revocation lists is another object with another fingerprint, and else the same', () => {
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

test('a bundle that requires revocation lists requires them from then on', () => {
  assert.equal(ours.withRevocation([]).withRevocation([], false).requiresCrl, true)
})

test('keeps sequence number and refresh hint of a bundle document', () => {
  const document = X509Bundle.parse('saas.example', '{"keys":[],"spiffe_sequence":7,"spiffe_refresh_hint":60}')
  const changed = document.withRevocation([])
  assert.equal(changed.sequence, 7n)
  assert.equal(changed.refreshHintSeconds, 60)
})

test('gives a list to the bundle whose authority signed it', () => {
  const crl = crlOf(authority)
  const applied = applyCrls(bundles, [crl], none)
  assert.deepEqual(placesOf(applied), [
    [[sha256(crl)], true],
    [[], false],
  ])
  assert.equal(applied.get('partner.example'), theirs)
})

test('gives a list to every bundle that holds the authority that signed it', () => {
  const shared = X509Bundle.parse('other.example', `${partner.bundlePem}${authority.bundlePem}`)
  const crl = crlOf(authority)
  const applied = applyCrls(new Map([...bundles, ['other.example', shared]]), [crl], none)
  assert.deepEqual(placesOf(applied), [
    [[sha256(crl)], true],
    [[], false],
    [[sha256(crl)], true],
  ])
})

test('gives a list that no authority signed to every bundle, without a demand on the others', async () => {
  const twin = await createAuthority('saas.example')
  for (const crl of [crlOf(lower), crlOf(twin)]) {
    assert.deepEqual(placesOf(applyCrls(bundles, [crl], none)), [
      [[sha256(crl)], false],
      [[sha256(crl)], false],
    ])
  }
  const [own, below] = [crlOf(authority), crlOf(lower)]
  assert.deepEqual(placesOf(applyCrls(bundles, [below, own], none)), [
    [[sha256(own), sha256(below)], true],
    [[sha256(below)], false],
  ])
})

test('a trust domain that publishes the intermediate of another one does not get hold of its list by that', async () => {
  const thief = X509Bundle.parse('partner.example', `${partner.bundlePem}${lower.certificatePem}`)
  // Self-issued, with the name and the key of our intermediate, and signed by somebody else.
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
      [[sha256(below)], false],
      [[sha256(below)], true],
    ])
  }
})

test('takes a list that no authority signed for a list of the only bundle there is', () => {
  const applied = applyCrls(new Map([['saas.example', ours]]), [crlOf(lower)], none)
  assert.equal(applied.get('saas.example')?.requiresCrl, true)
})

test('requires lists of a trust domain that supplied some before, and of no other', () => {
  const applied = applyCrls(bundles, [], new Set(['saas.example', 'gone.example']))
  assert.deepEqual(placesOf(applied), [
    [[], true],
    [[], false],
  ])
  assert.equal(applied.get('partner.example'), theirs)
})

test('requires a list that nobody may heed, because its authority has no cRLSign', async () => {
  const barred = await createAuthority('barred.example', { keyUsages: ['keyCertSign'] })
  const applied = applyCrls(new Map([...bundles, ['barred.example', bundleOf(barred)]]), [crlOf(barred)], none)
  assert.equal(applied.get('barred.example')?.requiresCrl, true)
  assert.equal(applied.get('saas.example')?.requiresCrl, false)
})

test('leaves the bundles that it is given as they are', () => {
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
  // Nobody can say whose it is.
  const unplaced = [named(undefined, 'crl_malformed')]
  assert.deepEqual(faultsOf(applied), [unplaced, unplaced])
})

test('a trust domain whose list cannot be read needs a current one, and no other does', () => {
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
  // Signed by somebody else under our name.
  const forged = crlOf({ certificateDer: authority.certificateDer, keyPem: partner.keyPem }, { fields: partial })
  assert.equal(applyCrls(bundles, [forged], none).get('saas.example')?.requiresCrl, false)
})

test('a trust domain that signs its lists by SHA-1 needs a current one, since such a list counts for nothing', async () => {
  const rsa = await createAuthority('rsa.example', { keyType: 'RSA-2048' })
  const all = new Map([...bundles, ['rsa.example', bundleOf(rsa)]])
  const weak = { signer: signer(createPrivateKey(rsa.keyPem), 'sha1') }
  const applied = applyCrls(all, [crlOf(rsa, { fields: weak })], none)
  assert.equal(applied.get('rsa.example')?.requiresCrl, true)
  assert.deepEqual(faultsOf(applied), [[], [], [named('rsa.example', 'crl_unsupported')]])
})

test('a list that cannot be read is of the only bundle there is', () => {
  const applied = applyCrls(new Map([['saas.example', ours]]), [junk], none)
  assert.equal(applied.get('saas.example')?.requiresCrl, true)
  assert.deepEqual(faultsOf(applied), [[named('saas.example', 'crl_malformed')]])
})

test('a trust domain that has supplied lists needs a current one when its list cannot be read any more', () => {
  const applied = applyCrls(bundles, [junk], new Set(['partner.example']))
  assert.deepEqual(placesOf(applied), [
    [[], false],
    [[], true],
  ])
})

const listsOf = (issuer: Authority, length: number): readonly Buffer[] =>
  Array.from({ length }, (_, index) => crlOf(issuer, { nextUpdate: Date.now() + 3_600_000 + index * 1000 }))

test('counts a list once that is there many times', () => {
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

test('takes 64 lists of a trust domain; with more it needs a current one and has none, and no other is affected', () => {
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

const many = listsOf(lower, 1024)

test('with more than 1,024 lists, whoever is below an intermediate needs a list of it', () => {
  const own = crlOf(authority)
  const most = applyCrls(bundles, [own, ...many.slice(1)], none)
  assert.deepEqual(
    [...most.values()].map(({ revocation }) => [revocation.demand, revocation.crls.length]),
    [
      ['all', 1024],
      ['none', 1023],
    ],
  )
  const applied = applyCrls(bundles, [own, ...many], none)
  assert.deepEqual(
    [...applied.values()].map(({ revocation }) => revocation.demand),
    ['all', 'below_intermediates'],
  )
  const fault = [named(undefined, 'bundle_too_large')]
  assert.deepEqual(faultsOf(applied), [fault, fault])
})

test('beyond 1,024 lists takes the name of an authority for its signature, and does not look into the list', () => {
  const forged = crlOf({ certificateDer: authority.certificateDer, keyPem: partner.keyPem })
  const demandsWith = (crls: readonly Buffer[]): readonly boolean[] =>
    [...applyCrls(bundles, crls, none).values()].map(({ requiresCrl }) => requiresCrl)
  assert.deepEqual(demandsWith([...many, forged]), [true, false])
  assert.deepEqual(demandsWith([...many.slice(1), forged]), [false, false])
})
