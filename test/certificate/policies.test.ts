import assert from 'node:assert/strict'
import test from 'node:test'
import { decodeCertificate } from '../../packages/spiffe/src/certificate/decode.ts'
import { verifyPath } from '../../packages/spiffe/src/certificate/path.ts'
import { extension, hex, integer, nullValue, objectIdentifier, sequence, tlv } from './encode.ts'
import { clientAuth, encodeCertificate, now } from './issue.ts'
import { anyPolicy, bronze, gold, issueChain, type Policies, reasonOf, silver } from './policy-chains.ts'

const none: Policies = {}
const only = (...policies: readonly string[]): Policies => ({ policies })

const good: readonly (readonly [what: string, ...chain: readonly [Policies, ...Policies[]]])[] = [
  ['critical policies on every certificate', only(gold), only(gold), only(gold)],
  ['policies that differ, while no certificate requires one', none, only(gold), only(silver)],
  ['no policy at all, while no certificate requires one', none, none, none],
  ['a required policy that is present', none, { ...only(gold), explicit: 0 }, only(gold)],
  ['one of several policies', none, { ...only(gold, silver), explicit: 0 }, only(bronze, silver)],
  ['anyPolicy above', none, { ...only(anyPolicy), explicit: 0 }, only(gold)],
  ['anyPolicy below', none, { ...only(gold), explicit: 0 }, only(anyPolicy)],
  ['anyPolicy on an intermediate below a policy', none, { ...only(gold), explicit: 0 }, only(anyPolicy), only(gold)],
  ['a policy under another name', none, { ...only(gold), mappings: [[gold, silver]], explicit: 0 }, only(silver)],
  [
    'a policy under one of two names',
    none,
    {
      ...only(gold),
      mappings: [
        [gold, silver],
        [gold, bronze],
      ],
      explicit: 0,
    },
    only(bronze),
  ],
  ['a mapping below anyPolicy', none, { ...only(anyPolicy), mappings: [[gold, silver]], explicit: 0 }, only(silver)],
  ['a policy that is required after the leaf only', none, { explicit: 2 }, none],
  ['a policy that is required after two certificates more', none, { explicit: 3 }, none, none],
  ['a mapping that is inhibited and not used', none, { ...only(gold), noMapping: 0, explicit: 0 }, only(gold)],
  [
    'a mapping before it is inhibited',
    none,
    { ...only(gold), mappings: [[gold, silver]], noMapping: 0, explicit: 0 },
    only(silver),
  ],
  [
    'anyPolicy of a self-issued certificate while it is inhibited',
    none,
    { ...only(gold), noAny: 0, explicit: 0 },
    { ...only(anyPolicy), selfIssued: true },
    only(gold),
  ],
  ['a self-issued certificate, which does not count', none, { explicit: 2 }, { selfIssued: true }, none],
  [
    'constraints of the authority itself, which is not a part of the path',
    { explicit: 0, noAny: 0, noMapping: 0 },
    none,
  ],
  ['other policies on the authority itself', only(silver), { ...only(gold), explicit: 0 }, only(gold)],
]

for (const [what, ...chain] of good) {
  test(`accepts a path with ${what}`, () => {
    assert.equal(reasonOf(issueChain(...chain)), 'ok')
  })
}

const bad: typeof good = [
  ['a leaf without the required policy', none, { ...only(gold), explicit: 0 }, none],
  ['a leaf with another policy than the one required', none, { ...only(gold), explicit: 0 }, only(silver)],
  ['an intermediate without the required policy', none, { ...only(gold), explicit: 0 }, none, only(gold)],
  ['a policy that is required on the leaf, by counting', none, { explicit: 1 }, none],
  ['no policy above the leaf', none, { explicit: 0 }, only(gold)],
  ['a leaf that requires a policy that its issuer does not have', none, none, { ...only(gold), explicit: 0 }],
  ['a leaf that requires a policy and has none', none, { explicit: 0 }],
  ['a policy that is required from the second certificate on', none, { ...only(gold), explicit: 1 }, only(gold), none],
  [
    'the old name of a policy below anyPolicy',
    none,
    { ...only(gold), explicit: 0 },
    { ...only(anyPolicy), mappings: [[gold, silver]] },
    only(anyPolicy),
    only(gold),
  ],
  ['the old name of a policy', none, { ...only(gold), mappings: [[gold, silver]], explicit: 0 }, only(gold)],
  [
    'a mapping that is inhibited',
    none,
    { ...only(gold), noMapping: 0, explicit: 0 },
    { ...only(gold), mappings: [[gold, silver]] },
    only(silver),
  ],
  [
    'a mapping that is inhibited, even for its old name',
    none,
    { ...only(gold), noMapping: 0, explicit: 0 },
    { ...only(gold), mappings: [[gold, silver]] },
    only(gold),
  ],
  [
    'a mapping that is inhibited one certificate later',
    none,
    { ...only(gold), noMapping: 1, explicit: 0 },
    only(gold),
    { ...only(gold), mappings: [[gold, silver]] },
    only(silver),
  ],
  ['anyPolicy while it is inhibited', none, { ...only(gold), noAny: 0, explicit: 0 }, only(anyPolicy)],
  ['anyPolicy after it is inhibited', none, { ...only(gold), noAny: 1, explicit: 0 }, only(gold), only(anyPolicy)],
  [
    'anyPolicy of a self-issued leaf while it is inhibited',
    none,
    { ...only(gold), noAny: 0, explicit: 0 },
    { ...only(anyPolicy), selfIssued: true },
  ],
  ['a weaker number below a stronger one', none, { ...only(gold), explicit: 0 }, { explicit: 5 }, only(gold)],
  ['a requirement that is not critical', none, { ...only(gold), explicit: 0, critical: false }, none],
]

for (const [what, ...chain] of bad) {
  test(`rejects a path with ${what}`, () => {
    assert.equal(reasonOf(issueChain(...chain)), 'policy_missing')
  })
}

const losses: typeof good = [
  ['level 2', none, { ...only(gold), explicit: 0 }, none],
  ['level 2', none, { ...only(gold), explicit: 0 }, only(silver), only(gold)],
  ['level 1', none, { explicit: 0 }, only(gold), only(gold)],
]

for (const [at, ...chain] of losses) {
  test(`reports that no policy is valid for ${at}`, () => {
    const { root, leaf, intermediates } = issueChain(...chain)
    const verdict = verifyPath({
      leaf: decodeCertificate(leaf),
      intermediates: intermediates.map((der) => decodeCertificate(der)),
      authorities: [decodeCertificate(root)],
      usage: clientAuth,
      now,
    })
    assert.ok(!verdict.ok)
    assert.match(verdict.detail, new RegExp(`requires an explicit policy.*'CN=${at},O=Test'`))
  })
}

const policy = (...parts: readonly Buffer[]): Buffer => sequence(...parts)
const listed = sequence(objectIdentifier(gold))
const many = Array.from({ length: 257 }, (_, index) => sequence(objectIdentifier(`1.2.3.${index}`)))
const malformed: readonly (readonly [what: string, type: string, value: Buffer])[] = [
  ['policies that are not a list', '2.5.29.32', nullValue],
  ['no policy', '2.5.29.32', sequence()],
  ['a policy twice', '2.5.29.32', sequence(listed, listed)],
  ['a policy without its identifier', '2.5.29.32', sequence(policy(nullValue))],
  [
    'a policy with a field too many',
    '2.5.29.32',
    sequence(policy(objectIdentifier(gold), sequence(nullValue), nullValue)),
  ],
  ['bytes after the policies', '2.5.29.32', Buffer.concat([sequence(listed), nullValue])],
  ['more than 256 policies', '2.5.29.32', sequence(...many)],
  ['no mapping', '2.5.29.33', sequence()],
  ['a mapping of one policy', '2.5.29.33', sequence(listed)],
  ['a mapping of three policies', '2.5.29.33', sequence(sequence(...[gold, silver, bronze].map(objectIdentifier)))],
  ['a mapping from anyPolicy', '2.5.29.33', sequence(sequence(objectIdentifier(anyPolicy), objectIdentifier(gold)))],
  ['a mapping to anyPolicy', '2.5.29.33', sequence(sequence(objectIdentifier(gold), objectIdentifier(anyPolicy)))],
  ['empty constraints', '2.5.29.36', sequence()],
  ['a negative constraint', '2.5.29.36', sequence(tlv(0x80, hex('ff')))],
  ['constraints in the wrong order', '2.5.29.36', sequence(tlv(0x81, hex('00')), tlv(0x80, hex('00')))],
  ['a third constraint', '2.5.29.36', sequence(tlv(0x82, hex('00')))],
  ['a negative inhibitAnyPolicy', '2.5.29.54', tlv(0x02, hex('ff'))],
  ['bytes after inhibitAnyPolicy', '2.5.29.54', Buffer.concat([integer(0), nullValue])],
]

for (const [what, type, value] of malformed) {
  test(`rejects a certificate with ${what}, critical or not`, () => {
    for (const critical of [true, false]) {
      const der = encodeCertificate({ extensions: [extension(type, value, critical)] })
      assert.throws(() => decodeCertificate(der), { code: 'certificate_malformed' })
    }
  })
}

test('accepts 256 policies, qualifiers, and numbers of several bytes', () => {
  const qualified = policy(
    objectIdentifier(gold),
    sequence(sequence(objectIdentifier('1.3.6.1.5.5.7.2.1'), tlv(0x16, 'x'))),
  )
  const { policies } = decodeCertificate(
    encodeCertificate({
      extensions: [
        extension('2.5.29.32', sequence(qualified, ...many.slice(4, 259)), true),
        extension('2.5.29.36', sequence(tlv(0x80, hex('0100')))),
        extension('2.5.29.54', integer(300)),
      ],
    }),
  )
  assert.deepEqual(
    [policies?.requireExplicitPolicy, policies?.inhibitPolicyMapping, policies?.inhibitAnyPolicy],
    [256, undefined, 300],
  )
})

test('processes chains whose policy tree would double with each certificate', () => {
  // CVE-2023-0464: a tree of 2^14 nodes or more, and the same few policies at each level here.
  const names = Array.from({ length: 16 }, (_, index) => `1.2.4.${index}`)
  const mappings = names.flatMap((from) => names.map((to) => [from, to] as const))
  const level: Policies = { policies: names, mappings }
  const levels = Array.from({ length: 8 }, () => level)
  assert.equal(reasonOf(issueChain(none, { ...level, explicit: 0 }, ...levels, only('1.2.4.3'))), 'ok')
  assert.equal(reasonOf(issueChain(none, { ...level, explicit: 0 }, ...levels, only('1.2.5.3'))), 'policy_missing')
})
