import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyCrls, BundleReader } from '@countersign/spiffe'
import { createAuthority, type TestSvid } from '@countersign/testkit'
import {
  type Arbitrary,
  array,
  assert as check,
  boolean,
  constantFrom,
  dictionary,
  integer,
  json,
  nat,
  oneof,
  property,
  record,
  tuple,
  uint8Array,
} from 'fast-check'
import { scale } from '../support/long.ts'
import { reasonOf, verify } from '../svid/claims.ts'
import { crlOf } from './crls.ts'

const root = await createAuthority('saas.example')
const lower = await root.intermediate()
const stranger = await createAuthority('saas.example')
const name = 'spiffe://saas.example/ns/production/sa/core-api'
const revoked = await lower.issue(name)
const callers: readonly TestSvid[] = [
  await root.issue(name),
  await lower.issue(name),
  revoked,
  await root.issue(name, { faults: ['expired'] }),
  await stranger.issue(name),
]
const ownBundle = root.certificateDer
const ownCrls = [crlOf(root), crlOf(lower, { revoked: [revoked] })]

const partner = await createAuthority('partner.example')
const namesake = await createAuthority('partner.example', { name: 'saas.example X.509 authority' })
const weak = await createAuthority('partner.example', { faults: ['weak_key'] })
const notCa = await createAuthority('partner.example', { faults: ['not_a_ca'] })
const expired = await createAuthority('partner.example', { ttlSeconds: 60, now: Date.now() - 120_000 })
const pool = [partner, namesake, weak, notCa, expired, root, lower].map(({ certificateDer }) => certificateDer)

// Our callers in foreign lists: of a partner, and under our root's name.
const forged = { certificateDer: root.certificateDer, keyPem: partner.keyPem }
const lists = [crlOf(partner, { revoked: callers }), crlOf(forged, { revoked: callers }), crlOf(forged)]

/** Bytes of a pool: complete, truncated, changed, repeated, or replaced. */
function bytesOf(of: readonly Buffer[]): Arbitrary<Buffer> {
  const whole = constantFrom(...of)
  const offset = nat({ max: 2000 })
  return oneof(
    whole,
    tuple(whole, offset).map(([bytes, length]) => bytes.subarray(0, length % bytes.length)),
    tuple(whole, offset, integer({ min: 1, max: 255 })).map(([bytes, at, bits]) => {
      const changed = Buffer.from(bytes)
      const index = at % bytes.length
      changed.writeUInt8(changed.readUInt8(index) ^ bits, index)
      return changed
    }),
    tuple(whole, integer({ min: 1, max: 700 })).map(([bytes, count]) =>
      Buffer.concat(Array.from({ length: count }, () => bytes)),
    ),
    uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  )
}

const bundle = oneof(
  array(bytesOf(pool), { maxLength: 5 }).map((parts) => Buffer.concat(parts)),
  json().map((text) => Buffer.from(text)),
  array(bytesOf(pool), { maxLength: 3 }).map((parts) =>
    Buffer.from(
      JSON.stringify({
        keys: parts.map((part) => ({ kty: 'EC', use: 'x509-svid', x5c: [part.toString('base64')] })),
      }),
    ),
  ),
)
const hostile = record({
  bundles: dictionary(constantFrom('partner.example', 'one.example', 'two.example'), bundle),
  crls: array(bytesOf(lists), { maxLength: 4 }),
  isFirst: boolean(),
})

const reader = new BundleReader()

/** Returns the verdicts on our own callers, given what others publish. */
function judge(others: Readonly<Record<string, Buffer>>, crls: readonly Buffer[], isFirst: boolean): readonly string[] {
  const own = ['saas.example', ownBundle] as const
  // There must be a second bundle, because with only our own, every list without a known signer counts as ours.
  const theirs = Object.entries({ 'friend.example': partner.certificateDer, ...others })
  const read = reader.read(new Map(isFirst ? [...theirs, own] : [own, ...theirs]), { emptyRevokes: true })
  const bundles = applyCrls(read, isFirst ? [...crls, ...ownCrls] : [...ownCrls, ...crls], new Set())
  assert.deepEqual(
    bundles.get('saas.example')?.faults.filter(({ trustDomain }) => trustDomain !== undefined),
    [],
  )
  return callers.map(({ certificates }) => reasonOf(verify(certificates, { bundles })))
}

test('publications of other trust domains never change a verdict on our own callers', () => {
  const expectedVerdicts = ['ok', 'ok', 'revoked', 'expired', 'signature_invalid']
  assert.deepEqual(judge({}, [], false), expectedVerdicts)
  check(
    property(hostile, ({ bundles, crls, isFirst }) => {
      assert.deepEqual(judge(bundles, crls, isFirst), expectedVerdicts)
    }),
    { numRuns: scale(100, 1000) },
  )
})
