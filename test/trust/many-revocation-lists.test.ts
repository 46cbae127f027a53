import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyCrls, type BundleFault, X509Bundle } from '@countersign/spiffe'
import { createAuthority } from '@countersign/testkit'
import { hex, tlv } from '../certificate/encode.ts'
import { entry } from '../certificate/revocation-list.ts'
import { reasonOf, verify } from '../svid/claims.ts'
import { crlOf, listsOf } from './crls.ts'

/*
 * A partner publishes an excessive number of revocation lists.
 */

const authority = await createAuthority('saas.example')
const lower = await authority.intermediate()
const partner = await createAuthority('partner.example')
const below = await partner.intermediate()
const callers = [await authority.issue(nameOf('a')), await lower.issue(nameOf('b'))]
const [caller, callerBelow] = callers
assert.ok(caller && callerBelow)

const bundles = new Map(
  [authority, partner].map(({ trustDomain, bundlePem }) => [trustDomain, X509Bundle.parse(trustDomain, bundlePem)]),
)
const none: ReadonlySet<string> = new Set()

function nameOf(workload: string): string {
  return `spiffe://saas.example/ns/production/sa/${workload}`
}

/** The verdicts on our callers: one directly below our authority, one below our intermediate. */
function judge(crls: readonly Buffer[]): readonly string[] {
  const applied = applyCrls(bundles, crls, none)
  return callers.map(({ certificates }) => reasonOf(verify(certificates, { bundles: applied })))
}

function faultsWith(crls: readonly Buffer[]): readonly (readonly BundleFault[])[] {
  return [...applyCrls(bundles, crls, none).values()].map(({ faults }) => faults)
}

const theirs = listsOf(partner, 1100)
const unowned = listsOf(below, 1100)
const forgedAuthority = { certificateDer: authority.certificateDer, keyPem: partner.keyPem }
const forgedLower = { certificateDer: lower.certificateDer, keyPem: partner.keyPem }

test("applies our list before and after more than a thousand of a partner's", () => {
  const own = [crlOf(authority, { revoked: [caller] }), crlOf(lower)]
  assert.deepEqual(judge([...theirs, ...own]), ['revoked', 'ok'])
  assert.deepEqual(judge([...own, ...theirs]), ['revoked', 'ok'])
})

test("lists that a partner forges under our authority's name require none of ours, however many there are", () => {
  for (const others of [theirs, unowned]) {
    const applied = applyCrls(bundles, [...others, crlOf(forgedAuthority)], none)
    assert.equal(applied.get('saas.example')?.requiresCrl, false)
    assert.deepEqual(judge([...others, crlOf(forgedAuthority, { revoked: callers })]), ['ok', 'ok'])
  }
})

test("lists of a partner's intermediate require none for callers below our intermediate, however many there are", () => {
  assert.deepEqual(judge(unowned), ['ok', 'ok'])
  assert.deepEqual(judge([...unowned, ...listsOf(forgedLower, 100)]), ['ok', 'ok'])
})

test("applies our intermediate's list among more lists than are read, of many issuers or of its own name", async () => {
  const issuers = await Promise.all(
    Array.from({ length: 80 }, (_, index) => partner.intermediate({ name: `lower ${index}`, key: below.key })),
  )
  for (const others of [unowned, issuers.map((issuer) => crlOf(issuer)), listsOf(forgedLower, 200)]) {
    assert.deepEqual(judge([...others, crlOf(lower, { revoked: [callerBelow] })]), ['ok', 'revoked'])
  }
})

test('reads 64 lists of 2 MiB in advance that no authority signed', () => {
  const entries = Array.from({ length: 40_000 }, () => entry(tlv(0x02, hex('01020304'))))
  const [one, two, three] = [1, 2, 3].map((hours) =>
    crlOf(below, { nextUpdate: Date.now() + hours * 3_600_000, fields: { entries } }),
  )
  assert.ok(one && two && three)
  for (const [crls, length] of [
    [unowned.slice(0, 64), 64],
    [unowned.slice(0, 65), 64],
    [[one, two], 2],
    [[one, two, three], 2],
  ] as const) {
    const applied = applyCrls(bundles, crls, none)
    assert.deepEqual(
      [...applied.values()].map(({ revocation }) => revocation.crls.length),
      [length, length],
    )
  }
})

test('reports more than 64 lists that no authority signed as a fault of no trust domain', () => {
  assert.deepEqual(faultsWith(unowned.slice(0, 64)), [[], []])
  const [ours = [], others = []] = faultsWith(unowned.slice(0, 65))
  for (const faults of [ours, others]) {
    assert.deepEqual(
      faults.map(({ code, trustDomain }) => [code, trustDomain]),
      [['bundle_too_large', undefined]],
    )
  }
})

test('many lists of a partner are only its own fault, and it requires a current one', () => {
  const applied = applyCrls(bundles, theirs, none)
  assert.deepEqual(
    [...applied.values()].map(({ requiresCrl, faults }) => [requiresCrl, faults.map(({ code }) => code)]),
    [
      [false, []],
      [true, ['bundle_too_large']],
    ],
  )
})
