import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyCrls, CertificateError, type CertificateErrorCode, decodeCrl, X509Bundle } from '@countersign/core'
import { type Authority, createAuthority } from '@countersign/testkit'
import { keyPair, signer } from '../certificate/issue.ts'
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

function refuses(crls: readonly Uint8Array[], code: CertificateErrorCode): void {
  assert.throws(
    () => applyCrls(bundles, crls, none),
    (error) => error instanceof CertificateError && error.code === code,
    code,
  )
}

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

test('refuses all lists when one of them is no list, says what we do not process, or is one too many', () => {
  refuses([crlOf(authority), Buffer.from('junk')], 'crl_malformed')
  const weak = { signer: signer(keyPair('RSA-2048').privateKey, 'sha1') }
  refuses([crlOf(authority, { fields: weak })], 'crl_unsupported')
  const crls = Array.from({ length: 65 }, () => crlOf(authority))
  assert.equal(applyCrls(bundles, crls.slice(1), none).size, 2)
  refuses(crls, 'bundle_too_large')
})
