import assert from 'node:assert/strict'
import test from 'node:test'
import {
  decodeDistinguishedName,
  isSameName,
  isWithinName,
} from '../../packages/spiffe/src/certificate/distinguished-name.ts'
import { attribute, hex, name, nullValue, objectIdentifier, sequence, tlv } from './encode.ts'

const decode = (der: Buffer): ReturnType<typeof decodeDistinguishedName> => decodeDistinguishedName(der, 'subject')

test('formats a name from most to least specific, with separators escaped', () => {
  const decoded = decode(name('C=US', 'O=A, B + C', 'DC=x', '1.2.3.4=y', 'CN=core-api'))

  assert.equal(decoded.text, 'CN=core-api,1.2.3.4=y,DC=x,O=A\\, B \\+ C,C=US')
})

test('returns every common name as spelled, outermost first', () => {
  const multiple = name('CN=First', Buffer.concat([attribute('OU=x'), attribute('CN= Second ')]), 'CN=third')

  assert.deepEqual(decode(multiple).commonNames, ['First', ' Second ', 'third'])
})

test('returns every e-mail address, and an empty string for another string type', () => {
  assert.deepEqual(decode(name(attribute('E=a@x.example', 0x0c))).emailAddresses, [''])
  assert.deepEqual(decode(name('E=a@x.example', 'O=x', 'E=b@x.example')).emailAddresses, ['a@x.example', 'b@x.example'])
})

test('decodes the same text from every string type', () => {
  const types = [0x0c, 0x13, 0x16, 0x1a, 0x14]
  for (const type of types) {
    assert.deepEqual(decode(name(attribute('CN=core', type))).commonNames, ['core'])
  }
  assert.deepEqual(decode(name(attribute('2.5.4.3=42', 0x12))).commonNames, ['42'])
  const wide = sequence(objectIdentifier('2.5.4.3'), tlv(0x1e, hex('0063 006f 0072 0065')))
  assert.deepEqual(decode(name(wide)).commonNames, ['core'])
})

test('shows a value that is not text in hexadecimal, and returns it as an empty common name', () => {
  const decoded = decode(name(attribute('CN=x', 0x1c), attribute('E=x', 0x1c)))

  assert.equal(decoded.text, 'emailAddress=#1c0178,CN=#1c0178')
  assert.deepEqual(decoded.commonNames, [''])
})

const same: readonly (readonly [what: string, one: Buffer, other: Buffer])[] = [
  ['another case in ASCII', name('O=Example', 'CN=Core'), name('O=EXAMPLE', 'CN=cORE')],
  ['other whitespace', name('O=  A \t B '), name('O=A B')],
  ['another string type', name(attribute('O=x', 0x13)), name(attribute('O=x', 0x0c))],
  [
    'another order inside one relative name',
    name(Buffer.concat([attribute('O=x'), attribute('CN=y')])),
    name(Buffer.concat([attribute('CN=y'), attribute('O=x')])),
  ],
  ['no relative names', name(), name()],
]

for (const [what, one, other] of same) {
  test(`treats names as equal with ${what}`, () => {
    assert.equal(isSameName(decode(one), decode(other)), true)
  })
}

const different: readonly (readonly [what: string, one: Buffer, other: Buffer])[] = [
  ['another order of relative names', name('O=x', 'CN=y'), name('CN=y', 'O=x')],
  ['more relative names', name('O=x'), name('O=x', 'CN=y')],
  ['fewer relative names', name('O=x', 'CN=y'), name('O=x')],
  [
    'one relative name of two attributes',
    name('O=x', 'CN=y'),
    name(Buffer.concat([attribute('O=x'), attribute('CN=y')])),
  ],
  ['another case outside of ASCII, as in OpenSSL', name('O=\u00c9'), name('O=\u00e9')],
  ['another attribute type', name('O=x'), name('OU=x')],
  ['a value that is not a string', name(attribute('O=x', 0x1c)), name('O=#1c0178')],
]

for (const [what, one, other] of different) {
  test(`treats names as different with ${what}`, () => {
    assert.equal(isSameName(decode(one), decode(other)), false)
  })
}

test('finds a name within the subtree of its own prefix', () => {
  const base = decode(name('O=x', 'OU=y'))

  assert.equal(isWithinName(decode(name('O=x', 'OU=y', 'CN=z')), base), true)
  assert.equal(isWithinName(base, base), true)
  assert.equal(isWithinName(base, decode(name())), true)
  assert.equal(isWithinName(decode(name('O=x')), base), false)
  assert.equal(isWithinName(decode(name('O=x', 'OU=z')), base), false)
})

const malformed: readonly (readonly [what: string, der: Buffer])[] = [
  ['a name that is not a sequence', tlv(0x31)],
  ['bytes after the name', Buffer.concat([name('O=x'), nullValue])],
  ['a relative name that is not a set', sequence(attribute('O=x'))],
  ['an empty relative name', sequence(tlv(0x31))],
  ['an attribute that is not a sequence', sequence(tlv(0x31, tlv(0x31, objectIdentifier('2.5.4.3'), nullValue)))],
  ['an attribute whose value has a tag of several bytes', name(sequence(objectIdentifier('2.5.4.3'), hex('1f0100')))],
  ['an attribute without a value', name(sequence(objectIdentifier('2.5.4.3')))],
  ['an attribute with two values', name(sequence(objectIdentifier('2.5.4.3'), tlv(0x0c, 'x'), tlv(0x0c, 'y')))],
  ['a NUL in a UTF8String', name('CN=core\0.evil')],
  ['a NUL in a BMPString', name(sequence(objectIdentifier('2.5.4.3'), tlv(0x1e, hex('0063 0000'))))],
  ['a BMPString with an odd number of bytes', name(sequence(objectIdentifier('2.5.4.3'), tlv(0x1e, hex('006300'))))],
  ['invalid UTF-8', name(sequence(objectIdentifier('2.5.4.3'), tlv(0x0c, hex('c328'))))],
  ['a non-ASCII byte in a PrintableString', name(sequence(objectIdentifier('2.5.4.3'), tlv(0x13, hex('e9'))))],
]

for (const [what, der] of malformed) {
  test(`rejects ${what}`, () => {
    assert.throws(() => decode(der), { code: 'certificate_malformed' })
  })
}

test('takes time proportional to the size of a name with 200,000 attributes', () => {
  const relative = tlv(0x31, attribute('CN=a'))
  const decoded = decode(tlv(0x30, Buffer.alloc(200_000 * relative.length, relative)))
  assert.equal(decoded.relativeNames.length, 200_000)
  assert.equal(decoded.text.length, 200_000 * 'CN=a,'.length - 1)
})
