import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commonName, dnsName } from '../../packages/spiffe/src/subject/subject-identity.ts'
import type { SubjectVerdict } from '../../packages/spiffe/src/subject/verify-subject.ts'
import { CaBundle } from '../../packages/spiffe/src/trust/ca-bundle.ts'
import { attribute, generalName, name, objectIdentifier, sequence, tlv } from '../certificate/encode.ts'
import { entity, issueAuthority, now } from '../certificate/issue.ts'
import { coreApi, encodeLeaf, reasonOf, verify } from './leaves.ts'

/** Which name of a certificate is used, and which is refused. */

const { uri, dns, ip, email, directory } = generalName

/** The reason for a leaf with this subject. */
const judgeSubject = (...relativeNames: readonly (string | Buffer)[]): string =>
  reasonOf(verify([encodeLeaf(name(...relativeNames))]))

const wide = (text: string): Buffer => tlv(0x1e, Buffer.from(text, 'utf16le').swap16())
const commonNameOf = (value: Buffer): Buffer => sequence(objectIdentifier('2.5.4.3'), value)
const together = (...attributes: readonly Buffer[]): Buffer => Buffer.concat(attributes)

for (const [what, value] of [
  ['UTF8String', attribute('CN=core-api', 0x0c)],
  ['PrintableString', attribute('CN=core-api', 0x13)],
  ['TeletexString', attribute('CN=core-api', 0x14)],
  ['IA5String', attribute('CN=core-api', 0x16)],
  ['VisibleString', attribute('CN=core-api', 0x1a)],
  ['BMPString', commonNameOf(wide('core-api'))],
] as const) {
  test(`reads a common name that is a ${what}`, () => assert.equal(judgeSubject(value), 'ok'))
}

for (const [what, value] of [
  ['UniversalString', attribute('CN=core-api', 0x1c)],
  ['OCTET STRING', attribute('CN=core-api', 0x04)],
] as const) {
  test(`authenticates no caller by a common name that is a ${what}, but counts it`, () => {
    assert.equal(judgeSubject(value), 'name_unknown')
    assert.equal(judgeSubject('CN=core-api', value), 'several_common_names')
    assert.equal(judgeSubject(value, 'CN=core-api'), 'several_common_names')
  })
}

for (const [what, relativeNames] of [
  ['in two relative names', ['CN=core-api', 'CN=billing-service']],
  ['in one relative name', [together(attribute('CN=core-api'), attribute('CN=nobody'))]],
  ['that are equal', ['CN=core-api', 'CN=core-api']],
  ['of which one is empty', ['CN=', 'CN=core-api']],
] as const) {
  test(`refuses two common names ${what}`, () => assert.equal(judgeSubject(...relativeNames), 'several_common_names'))
}

test('reads the common name from a relative name with several attributes', () => {
  assert.equal(judgeSubject(together(attribute('OU=Payments'), attribute('CN=core-api'))), 'ok')
})

for (const [what, relativeNames] of [
  ['an empty subject', []],
  ['the name in another attribute', ['O=core-api', 'OU=core-api', 'DC=core-api', '2.5.4.65=core-api']],
  ['a common name inside another string', ['O=x,CN=core-api', 'OU=x+CN=core-api']],
] as const) {
  test(`refuses ${what}`, () => assert.equal(judgeSubject(...relativeNames), 'no_common_name'))
}

test("never uses the issuer's common name as that of the leaf", () => {
  const named = entity('core-api', 'P-256', 3)
  const chain = [encodeLeaf(name('O=Example'), { by: named })]
  assert.equal(reasonOf(verify(chain, undefined, { ca: CaBundle.parse(issueAuthority(named)) })), 'no_common_name')
})

const unknown: readonly (readonly [what: string, text: string])[] = [
  ['is not listed', 'intruder'],
  ['is empty', ''],
  ['has a leading space', ' core-api'],
  ['has a trailing space', 'core-api '],
  ['is written in another case', 'Core-API'],
  ['only starts like a listed name', 'core-api.attacker.example'],
  ['only ends like a listed name', 'x-core-api'],
  ['has a line break', 'core-api\n'],
  ['has a control character', 'core-api\u0001'],
  ['has a byte order mark', '\ufeffcore-api'],
  ['has a zero-width character', 'core\u200b-api'],
  ['has a Cyrillic letter', 'c\u043ere-api'],
  ['has full-width letters', '\uff43\uff4fre-api'],
  ['has a non-ASCII hyphen', 'core\u2010api'],
  ['is a pattern', '*'],
  ['is a name that every object has', 'constructor'],
  ['is another name that every object has', 'toString'],
  ['is the name of the prototype', '__proto__'],
  ['is longer than a common name can be', `core-api${' '.repeat(60)}`],
]
for (const [what, text] of unknown) {
  test(`refuses a common name that ${what}`, () => {
    assert.equal(judgeSubject(`CN=${text}`), 'name_unknown')
    assert.equal(judgeSubject(commonNameOf(wide(text))), 'name_unknown')
  })
}

test('refuses a NUL in a common name, at which some parsers stop', () => {
  assert.equal(judgeSubject('CN=core-api\0.attacker.example'), 'certificate_malformed')
  assert.equal(judgeSubject(commonNameOf(wide('core-api\0'))), 'certificate_malformed')
})

function nameOf(verdict: SubjectVerdict): string | undefined {
  return verdict.ok ? verdict.subject.name : verdict.name
}

test('reports the claimed name of a refused leaf only if it is short and nothing in it is hidden', () => {
  const claimed = (text: string): string | undefined => nameOf(verify([encodeLeaf(name(`CN=${text}`))]))
  assert.equal(claimed('intruder'), 'intruder')
  assert.equal(claimed('core-api\nforged line'), undefined)
  assert.equal(claimed('core-api\u202e'), undefined)
  assert.equal(claimed('x'.repeat(254)), undefined)
  assert.equal(nameOf(verify([encodeLeaf(coreApi)], undefined, { now: now + 7_200_000 })), 'core-api')
})

for (const id of [
  'spiffe://internal.example/ns/production/sa/other',
  'SPIFFE://internal.example/ns/production/sa/other',
  'SpIfFe:anything',
  'spiffe://',
  ' spiffe://internal.example/x',
]) {
  test(`never identifies a certificate with the URI name '${id}' by its common name or DNS name`, () => {
    const names = [dns('order-service.prod.internal'), uri('https://a.example/'), uri(id)]
    const chain = [encodeLeaf(coreApi, { names })]
    assert.equal(reasonOf(verify(chain)), 'spiffe_id_present')
    assert.equal(reasonOf(verify(chain, byDnsName)), 'spiffe_id_present')
  })
}

test('ignores other names beside the common name', () => {
  const names = [
    uri('https://core.example/spiffe://x'),
    dns('other'),
    ip('0a000001'),
    email('a@x.example'),
    directory(name('CN=other')),
  ]
  assert.equal(reasonOf(verify([encodeLeaf(coreApi, { names })])), 'ok')
})

const byDnsName = dnsName({
  authorities: { 'order-service.prod.internal': ['SERVICE_ORDER'], 'payment-service.prod.internal': [] },
})

for (const [what, names, reason] of [
  ['uses the only DNS name', [dns('order-service.prod.internal')], 'ok'],
  ['ignores case', [dns('Order-Service.PROD.internal')], 'ok'],
  ['ignores names of another type', [ip('0a000001'), dns('order-service.prod.internal'), uri('urn:x:y')], 'ok'],
  ['refuses no alternative names at all', [], 'no_dns_name'],
  ['refuses names of other types only', [ip('0a000001'), email('order-service@prod.internal')], 'no_dns_name'],
  ['refuses a URI with the name', [uri('https://order-service.prod.internal')], 'no_dns_name'],
  [
    'uses the only listed name of several',
    [dns('order-service'), dns('order-service.prod.internal'), dns('localhost')],
    'ok',
  ],
  ['accepts a duplicate name', [dns('order-service.prod.internal'), dns('ORDER-service.prod.internal')], 'ok'],
  [
    'refuses two listed names',
    [dns('order-service.prod.internal'), dns('payment-service.prod.internal')],
    'several_dns_names',
  ],
  ['refuses several names of which none is listed', [dns('order-service'), dns('localhost')], 'name_unknown'],
  ['refuses a wildcard', [dns('*.prod.internal')], 'name_unknown'],
  ['refuses a trailing period', [dns('order-service.prod.internal.')], 'name_unknown'],
  ['refuses a name below a listed one', [dns('x.order-service.prod.internal')], 'name_unknown'],
  ['refuses a name above a listed one', [dns('prod.internal')], 'name_unknown'],
  ['refuses a space', [dns('order-service.prod.internal ')], 'name_unknown'],
  ['refuses a NUL', [dns('order-service.prod.internal\0.x')], 'certificate_malformed'],
  ['refuses a letter outside of ASCII', [dns('order-s\u00e9rvice.prod.internal')], 'certificate_malformed'],
] as const) {
  test(`by DNS name ${what}`, () => {
    const verdict = verify([encodeLeaf(coreApi, { names })], byDnsName)
    assert.equal(reasonOf(verdict), reason)
    if (verdict.ok) assert.equal(verdict.subject.name, 'order-service.prod.internal')
  })
}

test('by DNS name never uses the common name', () => {
  const leaf = encodeLeaf(name('CN=order-service.prod.internal'))
  assert.equal(reasonOf(verify([leaf], byDnsName)), 'no_dns_name')
})

test('logs only a few names of a long list of known names', () => {
  const names = Array.from({ length: 21 }, (_, index) => `service-${index}`)
  const verdict = verify(
    [encodeLeaf(coreApi)],
    commonName({ authorities: Object.fromEntries(names.map((each) => [each, []])) }),
  )
  assert.ok(!verdict.ok)
  assert.equal(verdict.reason, 'name_unknown')
  assert.ok(verdict.detail.includes('service-19') && !verdict.detail.includes('service-20'))
})
