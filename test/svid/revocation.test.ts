import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { test } from 'node:test'
import { type Authority, createAuthority, type TestSvid } from '@countersign/testkit'
import { decodeCertificate } from '../../packages/spiffe/src/certificate/decode.ts'
import { decodeCrl } from '../../packages/spiffe/src/certificate/crl.ts'
import { endOfValidity } from '../../packages/spiffe/src/certificate/path-checks.ts'
import { createSvidTrust } from '../../packages/spiffe/src/svid/svid-trust.ts'
import { carryOver, type SvidVerdict } from '../../packages/spiffe/src/svid/verify-svid.ts'
import type { X509Svid } from '../../packages/spiffe/src/svid/x509-svid.ts'
import { withRevocationLists, X509Bundle } from '../../packages/spiffe/src/trust/bundle.ts'
import { PublishedCrl } from '../../packages/spiffe/src/trust/published-crl.ts'
import { RevocationLists } from '../../packages/spiffe/src/trust/revocation-lists.ts'
import { watchKey } from '../certificate/watch-key.ts'
import { crlOf } from '../trust/crls.ts'
import { authority, callerId, decodeAll, reasonOf, verify } from './claims.ts'

const now = Math.floor(Date.now() / 1000) * 1000
const svid = await authority.issue(callerId)
const lower = await authority.intermediate()
const svidBelow = await lower.issue(callerId)
const stolen = await createAuthority('partner.example')

/** The bundle of saas.example with these lists, which every certificate requires. */
function bundleWith(crls: readonly Uint8Array[], isRequired?: boolean, by: Authority = authority): X509Bundle {
  return X509Bundle.parse('saas.example', by.bundlePem).withRevocation(crls.map(decodeCrl), isRequired)
}

/** The verdict on an SVID under the bundle of saas.example with these lists. */
function verifyWith(
  { certificates }: TestSvid,
  crls: readonly Uint8Array[],
  {
    isRequired,
    ...changed
  }: { readonly isRequired?: boolean; readonly now?: number; readonly mayLackRevocation?: boolean } = {},
): SvidVerdict {
  return verify(certificates, { bundles: new Map([['saas.example', bundleWith(crls, isRequired)]]), now, ...changed })
}

function svidOf(verdict: SvidVerdict): X509Svid {
  assert.ok(verdict.ok)
  return verdict.svid
}

test('requires no list under a bundle without lists', () => {
  const found = svidOf(verify(svid.certificates))
  assert.equal(found.expiresAt, Math.min(...found.path.map(endOfValidity)))
  assert.equal(found.bundle.requiresCrl, false)
})

test('accepts a certificate that the current list of its issuer does not name', async () => {
  const other = await authority.issue(callerId)
  assert.equal(reasonOf(verifyWith(svid, [crlOf(authority, { revoked: [other] })])), 'ok')
})

/** The verdict on an SVID if these lists were skipped because there are too many. */
function verifyWithout({ certificates }: TestSvid, leftOut: readonly Buffer[], ...crls: readonly Buffer[]): string {
  const published = leftOut.map((der) => new PublishedCrl(hash('sha256', der), der))
  const lists = new RevocationLists(crls.map(decodeCrl), false, { leftOut: published })
  const bundle = withRevocationLists(X509Bundle.parse('saas.example', authority.bundlePem), lists)
  return reasonOf(verify(certificates, { bundles: new Map([['saas.example', bundle]]), now }))
}

const padding = Array.from({ length: 1000 }, (_, index) => ({
  serialNumber: (0x10000000 + index).toString(16),
}))

test("applies a small skipped list, and requires a current list for a large one, if the certificate's issuer signed it", () => {
  assert.equal(verifyWithout(svidBelow, [crlOf(lower)]), 'ok')
  assert.equal(verifyWithout(svidBelow, [crlOf(lower, { revoked: [svidBelow] })]), 'revoked')
  const large = crlOf(lower, { revoked: padding })
  assert.equal(verifyWithout(svidBelow, [large]), 'revocation_unknown')
  assert.equal(verifyWithout(svidBelow, [large], crlOf(lower)), 'revocation_unknown')
  assert.equal(verifyWithout(svidBelow, [large], crlOf(lower, { revoked: [svidBelow] })), 'revoked')
  assert.equal(verifyWithout(svid, [large]), 'ok')
})

test("requires no list if the skipped ones have the issuer's name but another signature", () => {
  const forged = { certificateDer: lower.certificateDer, keyPem: stolen.keyPem }
  assert.equal(verifyWithout(svidBelow, [crlOf(forged, { revoked: padding }), crlOf(forged)]), 'ok')
  assert.equal(verifyWithout(svidBelow, [crlOf(forged, { revoked: [svidBelow] })]), 'ok')
})

test("requires a list if more than 256 lists were skipped under the issuer's name", () => {
  const forged = { certificateDer: lower.certificateDer, keyPem: stolen.keyPem }
  const many = Array.from({ length: 257 }, (_, index) => crlOf(forged, { nextUpdate: now + 60_000 + index * 1000 }))
  assert.equal(verifyWithout(svidBelow, many.slice(1)), 'ok')
  assert.equal(verifyWithout(svidBelow, many), 'revocation_unknown')
  assert.equal(verifyWithout(svid, many), 'ok')
})

test('verifies a list once per issuer, however many callers the issuer has and whoever signed the list', () => {
  const lists = new RevocationLists(
    [crlOf(lower), crlOf({ certificateDer: lower.certificateDer, keyPem: stolen.keyPem })].map(decodeCrl),
    false,
  )
  const certificate = decodeCertificate(lower.certificateDer)
  const countUses = watchKey(certificate)
  assert.equal(lists.findIssued(certificate).crls.length, 1)
  assert.equal(lists.findIssued(certificate).crls.length, 1)
  assert.equal(countUses(), 2)
})

test("refuses a certificate that its issuer's list names", () => {
  const verdict = verifyWith(svid, [crlOf(authority, { revoked: [svid] })])
  assert.equal(reasonOf(verdict), 'revoked')
  assert.equal(!verdict.ok && verdict.spiffeId, callerId)
})

test("refuses every certificate of a trust domain that has lists but none of the certificate's issuer", async () => {
  const stranger = await createAuthority('saas.example', { name: 'stranger' })
  const twin = await createAuthority('saas.example')
  for (const [what, crls] of [
    ['no list', []],
    ['a list of another name', [crlOf(stranger)]],
    ['a list of the same name by another key', [crlOf(twin)]],
    ['a list of the intermediate below', [crlOf(lower)]],
  ] as const) {
    assert.equal(reasonOf(verifyWith(svid, crls)), 'revocation_unknown', what)
  }
})

test('applies a list from thisUpdate until nextUpdate', () => {
  const crl = crlOf(authority, { thisUpdate: now + 60_000, nextUpdate: now + 120_000 })
  for (const [moment, reason] of [
    [now + 59_999, 'revocation_unknown'],
    [now + 60_000, 'ok'],
    [now + 119_999, 'ok'],
    [now + 120_000, 'revocation_unknown'],
    [NaN, 'not_yet_valid'],
  ] as const) {
    assert.equal(reasonOf(verifyWith(svid, [crl], { now: moment })), reason, String(moment - now))
  }
})

test('ignores a list of an issuer that may not sign lists', async () => {
  const barred = await createAuthority('saas.example', { keyUsages: ['keyCertSign'] })
  const { certificates } = await barred.issue(callerId)
  const bundles = new Map([['saas.example', bundleWith([crlOf(barred)], true, barred)]])
  assert.equal(reasonOf(verify(certificates, { bundles, now })), 'revocation_unknown')
})

test('a proof expires when the list becomes stale, or earlier with the certificate', () => {
  const nextUpdate = now + 60_000
  assert.equal(svidOf(verifyWith(svid, [crlOf(authority, { nextUpdate })])).expiresAt, nextUpdate)
  const found = svidOf(verifyWith(svid, [crlOf(authority, { nextUpdate: now + 365 * 86_400_000 })]))
  assert.equal(found.expiresAt, Math.min(...found.path.map(endOfValidity)))
})

test('uses the longest-lived of several current lists, and everything that any of them revokes', () => {
  const short = crlOf(authority, { nextUpdate: now + 60_000 })
  const long = crlOf(authority, { nextUpdate: now + 120_000 })
  const stale = crlOf(authority, { thisUpdate: now - 120_000, nextUpdate: now - 1000, revoked: [svid] })
  const naming = crlOf(authority, { nextUpdate: now + 60_000, revoked: [svid] })
  assert.equal(svidOf(verifyWith(svid, [short, long, stale])).expiresAt, now + 120_000)
  assert.equal(reasonOf(verifyWith(svid, [long, naming])), 'revoked')
})

test('when the newest list is stale, still applies its revocations while an older list is current', () => {
  const older = crlOf(authority, { thisUpdate: now - 120_000, nextUpdate: now + 120_000 })
  const newest = crlOf(authority, { thisUpdate: now - 60_000, nextUpdate: now - 1000, revoked: [svid] })
  assert.equal(reasonOf(verifyWith(svid, [older, newest])), 'revoked')
  assert.equal(reasonOf(verifyWith(svid, [newest])), 'revoked')
  assert.equal(reasonOf(verifyWith(svid, [newest], { mayLackRevocation: true })), 'revoked')
})

test('a proof expires when another list of the issuer takes effect', () => {
  const current = crlOf(authority, { nextUpdate: now + 120_000 })
  const next = crlOf(authority, { thisUpdate: now + 60_000, nextUpdate: now + 180_000, revoked: [svid] })
  assert.equal(svidOf(verifyWith(svid, [current, next])).expiresAt, now + 60_000)
  assert.equal(reasonOf(verifyWith(svid, [current, next], { now: now + 60_000 })), 'revoked')
})

test("checks every certificate of the path except the authority, each against its own issuer's list", async () => {
  const [leaf, middle, top] = decodeAll([...svidBelow.certificates, authority.certificateDer])
  assert.ok(leaf && middle && top)
  const verdictOf = (upper: readonly { readonly serialNumber: string }[], below: typeof upper): string =>
    reasonOf(verifyWith(svidBelow, [crlOf(authority, { revoked: upper }), crlOf(lower, { revoked: below })]))
  assert.equal(verdictOf([], []), 'ok')
  assert.equal(verdictOf([], [leaf]), 'revoked')
  assert.equal(verdictOf([middle], []), 'revoked')
  assert.equal(verdictOf([leaf], [middle]), 'ok')
  assert.equal(verdictOf([top], [top]), 'ok')
  assert.equal(reasonOf(verifyWith(svidBelow, [crlOf(authority)])), 'revocation_unknown')
  assert.equal(reasonOf(verifyWith(svidBelow, [crlOf(lower)])), 'revocation_unknown')
})

test('a proof expires with the first of the lists on its path', () => {
  const crls = [crlOf(authority, { nextUpdate: now + 120_000 }), crlOf(lower, { nextUpdate: now + 60_000 })]
  assert.equal(svidOf(verifyWith(svidBelow, crls)).expiresAt, now + 60_000)
})

test('does not try another path if one is refused by revocation', async () => {
  const next = await createAuthority('saas.example', { name: 'next' })
  const crossed = await next.crossSign(lower)
  const chain = [...svidBelow.certificates, crossed.certificateDer]
  const bundleOf = (...revoked: readonly { readonly serialNumber: string }[]): X509Bundle =>
    X509Bundle.parse('saas.example', `${authority.bundlePem}${next.bundlePem}`).withRevocation(
      [crlOf(authority, { revoked }), crlOf(next, { revoked }), crlOf(lower)].map(decodeCrl),
    )
  const verdictOf = (bundle: X509Bundle): SvidVerdict =>
    verify(chain, { bundles: new Map([['saas.example', bundle]]), now })
  const [, used] = svidOf(verdictOf(bundleOf())).path
  assert.ok(used)
  assert.equal(reasonOf(verdictOf(bundleOf(used))), 'revoked')
})

test('under a bundle that requires no list, requires one only of issuers that have one', () => {
  const isRequired = false
  assert.equal(reasonOf(verifyWith(svid, [crlOf(lower)], { isRequired })), 'ok')
  assert.equal(reasonOf(verifyWith(svidBelow, [crlOf(lower)], { isRequired })), 'ok')
  assert.equal(reasonOf(verifyWith(svidBelow, [crlOf(lower, { revoked: [svidBelow] })], { isRequired })), 'revoked')
  const stale = crlOf(lower, { nextUpdate: now - 1000 })
  assert.equal(reasonOf(verifyWith(svidBelow, [stale], { isRequired })), 'revocation_unknown')
})

test('our own chain may lack a list, but must not be in one', () => {
  const mayLackRevocation = true
  const stale = crlOf(authority, { nextUpdate: now - 1000 })
  for (const crls of [[], [stale]]) {
    const found = svidOf(verifyWith(svid, crls, { mayLackRevocation }))
    assert.equal(found.expiresAt, Math.min(...found.path.map(endOfValidity)))
  }
  assert.equal(reasonOf(verifyWith(svid, [crlOf(authority, { revoked: [svid] })], { mayLackRevocation })), 'revoked')
})

test('renews a proof under another bundle only with the same lists', async () => {
  const crl = crlOf(authority)
  const proof = svidOf(verifyWith(svid, [crl]))
  const wider = await createAuthority('saas.example', { name: 'wider' })
  const both = X509Bundle.parse('saas.example', `${authority.bundlePem}${wider.bundlePem}`)
  assert.equal(carryOver(proof, both.withRevocation([decodeCrl(crl)]))?.expiresAt, proof.expiresAt)
  assert.equal(carryOver(proof, both.withRevocation([])), undefined)
  assert.equal(carryOver(proof, both), undefined)
  assert.equal(carryOver(proof, undefined), undefined)
  assert.equal(carryOver(proof, bundleWith([crl], true, wider)), undefined)
  assert.equal(carryOver(proof, both.withRevocation([decodeCrl(crl)], false)), undefined)
  assert.equal(carryOver(svidOf(verify(svid.certificates)), both.withRevocation([])), undefined)
})

test('reports why a peer has no proof', () => {
  const trust = createSvidTrust(new Map([['saas.example', bundleWith([crlOf(authority, { revoked: [svid] })])]]))
  const verdict = trust.verify({ chain: svid.certificates, additional: [], now })
  assert.equal(verdict.ok || verdict.reason, 'revoked')
})
