import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { CrlReader, X509Bundle } from '@countersign/spiffe'
import { type Authority, createAuthority, type TestSvid } from '@countersign/testkit'
import { decodeCertificate } from '../../packages/spiffe/src/certificate/decode.ts'
import { extension, hex, sequence, tlv } from '../certificate/encode.ts'
import { entry } from '../certificate/revocation-list.ts'
import { callerId, reasonOf, verify } from '../svid/claims.ts'
import { type CrlContent, crlOf, listsOf } from './crls.ts'

/*
 * A revocation list denies callers of the key that signed it, whatever name the list contains.
 */

const root = await createAuthority('saas.example', { name: 'SPIRE' })
const lower = await root.intermediate({ name: 'SPIRE' })
const partner = await createAuthority('partner.example')
const caller = await root.issue(callerId)
/** More lists that no authority signed than are read in advance, each of another issuer. */
const below = await partner.intermediate()
const unrelated = await Promise.all(
  Array.from({ length: 70 }, async (_, index) =>
    crlOf(await partner.intermediate({ name: `below ${index}`, key: below.key })),
  ),
)
const [good, bad] = [await lower.issue(callerId), await lower.issue(callerId)]

const pemOf = (authorities: readonly Authority[]): string =>
  authorities.map(({ certificatePem }) => certificatePem).join('')

/** The bundle of saas.example with these lists, next to the bundle of partner.example unless it has no authorities. */
function bundleWith(
  crls: readonly Buffer[],
  { ours = [root], theirs = [partner] }: { ours?: readonly Authority[]; theirs?: readonly Authority[] } = {},
): X509Bundle {
  const bundles = new Map([['saas.example', X509Bundle.parse('saas.example', pemOf(ours))]])
  if (theirs.length > 0) bundles.set('partner.example', X509Bundle.parse('partner.example', pemOf(theirs)))
  const found = new CrlReader().apply({ bundles, crls, own: new Set(['saas.example']) }).get('saas.example')
  assert.ok(found)
  return found
}

const judge = ({ certificates }: Pick<TestSvid, 'certificates'>, bundle: X509Bundle): string =>
  reasonOf(verify(certificates, { bundles: new Map([['saas.example', bundle]]) }))

test("applies the list of an intermediate that has our authority's name", () => {
  const crl = crlOf(lower, { revoked: [bad] })
  for (const crls of [[crl], [crl, crlOf(root)], [...listsOf(partner, 70), crl]]) {
    const bundle = bundleWith(crls)
    assert.deepEqual([judge(good, bundle), judge(bad, bundle)], ['ok', 'revoked'])
  }
})

test("accepts our authority's callers however many lists a partner forges under its name", () => {
  const forged = { certificateDer: root.certificateDer, keyPem: partner.keyPem }
  assert.equal(judge(caller, bundleWith(listsOf(forged, 400))), 'ok')
})

test("applies our intermediate's list if a partner publishes the intermediate's key as its own authority", async () => {
  const next = await createAuthority('saas.example', { name: 'next root' })
  const crossed = await root.crossSign(next)
  const [listed, other] = [await crossed.issue(callerId), await crossed.issue(callerId)]
  const crl = crlOf(next, { revoked: [listed] })
  for (const [theirs, crls] of [
    [[partner], [crl]],
    [[partner, next], [crl]],
    [
      [partner, next],
      [crl, crlOf(root)],
    ],
    [
      [partner, next],
      [...listsOf(partner, 70), crl],
    ],
  ] as const) {
    const bundle = bundleWith(crls, { theirs })
    assert.deepEqual([judge(other, bundle), judge(listed, bundle)], ['ok', 'revoked'])
  }
})

const unreadable = { extensions: [extension('1.2.3.4', Buffer.of(5, 0), true)] }

test('denies callers of a key that signed an unreadable list, even beside a current one', () => {
  for (const [crls, verdicts] of [
    [
      [crlOf(root), crlOf(root, { fields: unreadable })],
      ['revocation_unknown', 'revocation_unknown'],
    ],
    [[crlOf(lower, { fields: unreadable })], ['ok', 'revocation_unknown']],
    [
      [crlOf(lower), crlOf(lower, { fields: unreadable })],
      ['ok', 'revocation_unknown'],
    ],
  ] as const) {
    for (const theirs of [[], [partner], [partner, lower]]) {
      const bundle = bundleWith([crlOf(root), ...crls], { theirs })
      assert.deepEqual([judge(caller, bundle), judge(good, bundle)], verdicts)
    }
  }
})

test('accepts callers of a key that did not sign an unreadable list', () => {
  const forged = { certificateDer: root.certificateDer, keyPem: partner.keyPem }
  const bundle = bundleWith([crlOf(forged, { fields: unreadable }), crlOf(partner, { fields: unreadable })])
  assert.deepEqual([judge(caller, bundle), judge(good, bundle)], ['ok', 'ok'])
})

test('denies callers of an intermediate that signed a list without cRLSign, below any of its certificates', async () => {
  const plain = await root.intermediate({ name: 'lower' })
  const barred = await root.intermediate({ name: 'lower', key: plain.key, keyUsages: ['keyCertSign'] })
  const { certificates } = await plain.issue(callerId)
  const [leaf] = certificates
  assert.ok(leaf)
  const below = { certificates: [leaf, barred.certificateDer] }
  for (const crls of [[crlOf(plain)], [...listsOf(partner, 70), ...unrelated, crlOf(plain)]]) {
    const bundle = bundleWith(crls)
    assert.deepEqual([judge({ certificates }, bundle), judge(below, bundle)], ['ok', 'revocation_unknown'])
  }
})

test("applies a list that names another key than its issuer's certificate does, even among many foreign ones", () => {
  const fields = { extensions: [extension('2.5.29.35', sequence(tlv(0x80, hex('0badcafe'))))] }
  const crl = crlOf(lower, { revoked: [bad], fields })
  for (const crls of [[crl], [...unrelated, crl]]) {
    const bundle = bundleWith(crls)
    assert.deepEqual([judge(good, bundle), judge(bad, bundle)], ['ok', 'revoked'])
  }
})

const day = 86_400_000
const now = Date.now()

/** Expired lists that this key signed on each of 70 days. */
const replayOf = (by: Authority, content: CrlContent = {}): readonly Buffer[] =>
  Array.from({ length: 70 }, (_, index) => {
    const thisUpdate = now - (index + 2) * day
    return crlOf(by, { thisUpdate, nextUpdate: thisUpdate + day, ...content })
  })

test('accepts our callers beside a current list if a partner replays expired lists, readable or not', () => {
  for (const fields of [{}, unreadable]) {
    const replayed = [...replayOf(root, { fields }), ...replayOf(lower, { fields })]
    const bundle = bundleWith([...unrelated, ...replayed, crlOf(root), crlOf(lower, { revoked: [bad] })])
    assert.deepEqual([judge(caller, bundle), judge(good, bundle), judge(bad, bundle)], ['ok', 'ok', 'revoked'])
    assert.deepEqual(new Set(bundle.faults.map(({ trustDomain }) => trustDomain)), new Set([undefined]))
  }
})

test('counts lists that differ only in their signature as one', () => {
  const expected = { thisUpdate: now - day, nextUpdate: now + day }
  const [one, ...copies] = Array.from({ length: 70 }, () => crlOf(root, { ...expected, revoked: [caller] }))
  assert.ok(one && copies.every((copy) => !copy.equals(one)))
  const bundle = bundleWith([one, ...copies])
  assert.deepEqual([judge(caller, bundle), bundle.revocation.crls.length, bundle.faults.length], ['revoked', 1, 0])
})

test('a copy of our list with an invalid signature does not displace it', () => {
  const crl = crlOf(root, { revoked: [caller] })
  const damaged = Buffer.from(crl)
  damaged[damaged.length - 1] = (damaged.at(-1) ?? 0) ^ 1
  for (const crls of [
    [damaged, crl],
    [crl, damaged],
  ]) {
    assert.equal(judge(caller, bundleWith(crls)), 'revoked')
  }
})

test('a list that was already expired on arrival requires none, but its callers are denied while it is present', () => {
  const expired = { thisUpdate: now - 2 * day, nextUpdate: now - day }
  for (const crls of [[crlOf(root, { ...expired, revoked: [caller] })], replayOf(root, { revoked: [caller] })]) {
    const bundle = bundleWith(crls)
    assert.equal(bundle.requiresCrl, false)
    assert.deepEqual([judge(caller, bundle), judge(good, bundle)], ['revoked', 'revocation_unknown'])
  }
  assert.equal(bundleWith([crlOf(root, { ...expired, nextUpdate: now + day })]).requiresCrl, true)
})

test('keeps an expired list that is newer than every current one of its key', () => {
  const older = { thisUpdate: now - 3 * day, nextUpdate: now + day }
  const newer = { thisUpdate: now - 2 * day, nextUpdate: now - day, revoked: [caller, bad] }
  for (const foreign of [[], unrelated]) {
    const bundle = bundleWith([...foreign, ...[root, lower].flatMap((by) => [crlOf(by, older), crlOf(by, newer)])])
    assert.deepEqual([judge(caller, bundle), judge(bad, bundle)], ['revoked', 'revoked'])
  }
})

test('applies the revocations of an older list while it is current', () => {
  const older = { thisUpdate: now - 3 * day, revoked: [caller, bad] }
  for (const foreign of [[], unrelated]) {
    const bundle = bundleWith([...foreign, ...[root, lower].flatMap((by) => [crlOf(by, older), crlOf(by)])])
    assert.deepEqual([judge(caller, bundle), judge(bad, bundle)], ['revoked', 'revoked'])
  }
})

test('does not let a list that is not in effect yet replace an expired one', () => {
  const expired = { thisUpdate: now - 2 * day, nextUpdate: now - day, revoked: [caller] }
  const coming = crlOf(root, { thisUpdate: now + day, nextUpdate: now + 2 * day })
  assert.equal(judge(caller, bundleWith([coming, crlOf(root, expired)])), 'revoked')
})

test('requires lists of a trust domain with too many lists, even if all have expired', async () => {
  const ours = await Promise.all(
    Array.from({ length: 65 }, (_, index) => createAuthority('saas.example', { name: `root ${index}` })),
  )
  const expired = { thisUpdate: now - 2 * day, nextUpdate: now - day }
  assert.equal(
    bundleWith(
      ours.map((by) => crlOf(by, expired)),
      { ours },
    ).requiresCrl,
    true,
  )
})

/** Resolves when this many lists of our intermediate were read, which takes some turns. */
async function waitForLists(bundle: X509Bundle, count: number): Promise<void> {
  const issuer = decodeCertificate(lower.certificateDer)
  const countRead = (): number => bundle.revocation.findIssued(issuer).crls.length
  for (let turn = 0; turn < 20_000 && countRead() < count; turn += 1) await nextTurn()
  assert.equal(countRead(), count)
}

test('reads a large list of our intermediate after foreign ones that use up the limit for reading in advance', async () => {
  const padding = Array.from({ length: 2000 }, (_, index) => ({ serialNumber: (0x10000000 + index).toString(16) }))
  const fat = [extension('1.2.3.4', Buffer.alloc(1_040_000))]
  const issuers = [await partner.intermediate({ name: 'fat 1' }), await partner.intermediate({ name: 'fat 2' })]
  const huge = issuers.map((by) => crlOf(by, { fields: { extensions: fat } }))
  const large = crlOf(lower, { revoked: [bad, ...padding] })
  assert.ok(large.length > 16 * 1024)
  for (const foreign of [huge, unrelated]) {
    const bundle = bundleWith([...foreign, large])
    assert.equal(judge(caller, bundle), 'ok')
    assert.equal(judge(good, bundle), 'revocation_unknown')
    await waitForLists(bundle, 1)
    assert.deepEqual([judge(good, bundle), judge(bad, bundle)], ['ok', 'revoked'])
  }
})

test('reads at most 4 MiB of lists late, and denies callers of an issuer with more', async () => {
  const entries = Array.from({ length: 30_000 }, () => entry(tlv(0x02, hex('01020304'))))
  const lists = Array.from({ length: 8 }, (_, index) =>
    crlOf(lower, { nextUpdate: now + day + index * 1000, fields: { entries } }),
  )
  const [size = 0] = lists.map(({ length }) => length)
  const most = Math.floor((4 * 1024 * 1024) / size)
  assert.ok(most < lists.length)
  for (const [count, verdict] of [
    [most, 'ok'],
    [most + 1, 'revocation_unknown'],
  ] as const) {
    const bundle = bundleWith([...unrelated, ...lists.slice(0, count)])
    await waitForLists(bundle, most)
    // Enough turns to read another one.
    for (let turn = 0; turn < 500; turn += 1) await nextTurn()
    assert.equal(judge(good, bundle), verdict)
  }
})

test("checks the signatures of many lists under our intermediate's name over several handshakes", async () => {
  const named = await root.intermediate({ name: 'lower' })
  const svids = [await named.issue(callerId), await named.issue(callerId)]
  const forged = listsOf({ certificateDer: named.certificateDer, keyPem: partner.keyPem }, 600)
  const bundle = bundleWith([...unrelated, ...forged, crlOf(named, { revoked: svids.slice(1) })])
  const verdicts = [1, 2, 3].map(() => svids.map((svid) => judge(svid, bundle)))
  assert.deepEqual(verdicts.at(-1), ['ok', 'revoked'])
  assert.equal(verdicts[0]?.[0], 'revocation_unknown')
})
