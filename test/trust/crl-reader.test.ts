import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { test } from 'node:test'
import { CrlReader, X509Bundle } from '@countersign/spiffe'
import { createAuthority, type Authority } from '@countersign/testkit'
import { extension, hex, sequence, tlv } from '../certificate/encode.ts'
import { entry } from '../certificate/revocation-list.ts'
import { watchKey } from '../certificate/watch-key.ts'
import { CrlOwners } from '../../packages/spiffe/src/trust/crl-owners.ts'
import { runAtOnce } from '../../packages/spiffe/src/trust/in-turns.ts'
import { PublishedCrl, PublishedCrls } from '../../packages/spiffe/src/trust/published-crl.ts'
import { crlOf, listsOf } from './crls.ts'

const authority = await createAuthority('saas.example')
const partner = await createAuthority('partner.example')
const forged = { certificateDer: authority.certificateDer, keyPem: partner.keyPem }
const junk = Buffer.from('junk')

function bundlesOf(...authorities: readonly Authority[]): ReadonlyMap<string, X509Bundle> {
  const pems = new Map<string, string>()
  for (const { trustDomain, bundlePem } of authorities) {
    pems.set(trustDomain, `${pems.get(trustDomain) ?? ''}${bundlePem}`)
  }
  return new Map([...pems].map(([name, pem]) => [name, X509Bundle.parse(name, pem)]))
}

/** Counts the signatures that are verified with the keys of these bundles from now on. */
function countChecks(bundles: ReadonlyMap<string, X509Bundle>): () => number {
  const counters = [...bundles.values()].flatMap(({ authorities }) => authorities.map(watchKey))
  return () => counters.reduce((sum, count) => sum + count(), 0)
}

test('neither decodes nor verifies a repeated list again, whoever signed it', () => {
  const bundles = bundlesOf(authority, partner)
  const reader = new CrlReader()
  const crls = [...listsOf(authority, 3), ...listsOf(forged, 5), junk]
  const [first] = reader.apply({ bundles, crls }).values()
  const countMore = countChecks(bundles)
  for (const update of [crls, [...crls].toReversed(), crls.map((der) => Buffer.from(der))]) {
    const [again] = reader.apply({ bundles, crls: update }).values()
    assert.equal(again?.revocation.fingerprint, first?.revocation.fingerprint)
    assert.ok(again?.revocation.crls.every((crl) => first?.revocation.crls.includes(crl)))
  }
  assert.equal(countMore(), 0)
})

test("does not verify with a renewed authority's certificate if its key is known not to have signed", async () => {
  const renewed = await createAuthority('saas.example', { key: authority.key })
  const bundles = bundlesOf(authority, renewed, partner)
  const count = countChecks(bundles)
  new CrlReader().apply({ bundles, crls: listsOf(forged, 3) })
  assert.equal(count(), 3)
})

test('forgets lists that are missing from two updates in a row', () => {
  const lists = new PublishedCrls()
  const crl = crlOf(authority)
  const find = (): unknown => runAtOnce(lists.list([crl]))[0]
  const first = find()
  lists.beginRound()
  assert.equal(find(), first)
  lists.beginRound()
  lists.beginRound()
  assert.notEqual(find(), first)
})

test('prepares the next update in turns, and repeats none of it', async () => {
  const bundles = bundlesOf(authority, partner)
  const reader = new CrlReader()
  const crls = [...listsOf(authority, 60), ...listsOf(forged, 300)]
  assert.equal(reader.isWorthPreparing(crls), true)
  let turns = 0
  let next = setImmediate(function count() {
    turns += 1
    next = setImmediate(count)
  })
  await reader.prepare({ bundles, crls })
  clearImmediate(next)
  assert.ok(turns > 1, `found ${turns} turns`)
  assert.equal(reader.isWorthPreparing(crls), false)
  const countMore = countChecks(bundles)
  // Its own, and 64 of the forged ones, which may be of an intermediate.
  assert.equal(reader.apply({ bundles, crls }).get('saas.example')?.revocation.crls.length, 60 + 64)
  assert.equal(countMore(), 0)
  assert.equal(reader.isWorthPreparing(crls), false)
})

test('decodes a large list once, in many steps', () => {
  const entries = Array.from({ length: 2000 }, () => entry(tlv(0x02, hex('01020304'))))
  const der = crlOf(authority, { fields: { entries } })
  const list = new PublishedCrl(hash('sha256', der), der)
  const countSteps = (): number => [...list.read()].length
  assert.ok(countSteps() >= 10)
  assert.equal(countSteps(), 0)
})

test('decodes few small lists at once', () => {
  const reader = new CrlReader()
  const crl = crlOf(authority)
  const repeated = Array.from({ length: 100 }, () => crl)
  for (const [crls, isMuch] of [
    [listsOf(authority, 15), false],
    [listsOf(authority, 16), true],
    [repeated, false],
    [[Buffer.alloc(16 * 1024 - 1)], false],
    [[Buffer.alloc(16 * 1024)], true],
  ] as const) {
    assert.equal(reader.isWorthPreparing(crls), isMuch)
  }
})

const namesakes = await Promise.all(
  Array.from({ length: 12 }, () => createAuthority('partner.example', { name: 'many', keyIdentifiers: false })),
)
const [first = partner, ninth = partner] = [namesakes[0], namesakes[8]]
const forgedMany = listsOf({ certificateDer: first.certificateDer, keyPem: partner.keyPem }, 513)

function findOwners(owners: CrlOwners, crl: Buffer): readonly string[] {
  return [...runAtOnce(owners.find(new PublishedCrl(hash('sha256', crl), crl))).keys()]
}

test('checks a list against at most eight keys of one name in another trust domain, and gives it to none by name', () => {
  const bundles = bundlesOf(...namesakes)
  const count = countChecks(bundles)
  const owners = new CrlOwners(bundles, new Set())
  assert.deepEqual(findOwners(owners, crlOf(first)), ['partner.example'])
  assert.equal(count(), 1)
  assert.deepEqual(findOwners(owners, crlOf(ninth)), [])
  assert.equal(count(), 9)
  const ours = new CrlOwners(bundles, new Set(['partner.example']))
  assert.deepEqual(findOwners(ours, crlOf(ninth, { nextUpdate: Date.now() + 7_200_000 })), ['partner.example'])
})

test('first checks the key that a list names', async () => {
  const named = await createAuthority('partner.example', { name: 'many', key: ninth.key })
  const bundles = bundlesOf(...namesakes.filter((one) => one !== ninth), named)
  const count = countChecks(bundles)
  const [{ subjectKeyId = '' } = {}] = [...bundles.values()].flatMap(({ authorities }) => authorities).slice(-1)
  const extensions = [extension('2.5.29.35', sequence(tlv(0x80, hex(subjectKeyId))))]
  const trustDomains = findOwners(new CrlOwners(bundles, new Set()), crlOf(named, { fields: { extensions } }))
  assert.deepEqual(trustDomains, ['partner.example'])
  assert.equal(count(), 1)
})

test('checks at most 4,096 times in another trust domain, and gives the remaining lists to none by name', () => {
  const bundles = bundlesOf(...namesakes)
  for (const [own, trustDomains] of [
    [[], []],
    [['partner.example'], ['partner.example']],
  ] as const) {
    const owners = new CrlOwners(bundles, new Set(own))
    for (const crl of forgedMany) findOwners(owners, crl)
    assert.deepEqual(findOwners(owners, crlOf(first)), trustDomains)
  }
})

test('keeps a list as it was received', () => {
  const der = crlOf(authority)
  const list = new PublishedCrl(hash('sha256', der), der)
  der.fill(0)
  const content = runAtOnce(list.read())
  assert.ok(!(content instanceof Error))
  assert.equal(content.sha256, list.sha256)
})

test('finds one list among copies of it', () => {
  const crl = crlOf(authority)
  const [found, ...others] = runAtOnce(new PublishedCrls().list([crl, Buffer.from(crl)]))
  assert.deepEqual([found?.sha256, others.length], [hash('sha256', crl), 0])
})
