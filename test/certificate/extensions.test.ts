import assert from 'node:assert/strict'
import test from 'node:test'
import type { Certificate } from '../../packages/spiffe/src/certificate/certificate.ts'
import { decodeCertificate } from '../../packages/spiffe/src/certificate/decode.ts'
import {
  basicConstraints,
  bitString,
  extendedKeyUsage,
  extension,
  generalName,
  hex,
  integer,
  keyUsage,
  name,
  nameConstraints,
  nullValue,
  objectIdentifier,
  sequence,
  subjectAlternativeName,
  tlv,
} from './encode.ts'
import { clientAuth, encodeCertificate } from './issue.ts'

function decodeWith(...extensions: readonly Buffer[]): Certificate {
  return decodeCertificate(encodeCertificate({ extensions }))
}

const flag = (value: string): Buffer => tlv(0x01, hex(value))

test('reads basicConstraints with and without a path length', () => {
  assert.deepEqual(decodeWith(basicConstraints(false)).basicConstraints, { cA: false })
  assert.deepEqual(decodeWith(basicConstraints(true)).basicConstraints, { cA: true })
  assert.deepEqual(decodeWith(basicConstraints(true, 0)).basicConstraints, { cA: true, pathLength: 0 })
  for (const pathLength of [127, 128, 300, 2 ** 41]) {
    assert.deepEqual(decodeWith(basicConstraints(true, pathLength)).basicConstraints, { cA: true, pathLength })
  }
})

test('accepts explicitly encoded default values, as older issuers write them', () => {
  const explicit = extension('2.5.29.19', sequence(flag('00')))
  const notCritical = sequence(objectIdentifier('2.5.29.15'), flag('00'), tlv(0x04, bitString(hex('80'))))

  const certificate = decodeWith(explicit, notCritical)

  assert.deepEqual(certificate.basicConstraints, { cA: false })
  assert.equal(certificate.keyUsage?.critical, false)
})

test('reads each key usage from its bit', () => {
  const names = [
    'digitalSignature',
    'nonRepudiation',
    'keyEncipherment',
    'dataEncipherment',
    'keyAgreement',
    'keyCertSign',
    'cRLSign',
    'encipherOnly',
    'decipherOnly',
  ] as const
  for (const [bit, usage] of names.entries()) {
    assert.deepEqual(decodeWith(keyUsage(bit)).keyUsage, { critical: true, usages: new Set([usage]) })
  }
  assert.equal(decodeWith(keyUsage(0, 1, 2, 3, 4, 5, 6, 7, 8)).keyUsage?.usages.size, 9)
})

test('ignores key usage bits without a name', () => {
  for (const bits of ['8040', '800000000001']) {
    const { keyUsage: read } = decodeWith(extension('2.5.29.15', bitString(hex(bits))))

    assert.deepEqual(read?.usages, new Set(['digitalSignature']))
  }
})

test('reads extended key usages, including arcs beyond 53 bits', () => {
  const uuid = '2.25.329800735698586629295641978511506172918'

  assert.deepEqual(decodeWith(extendedKeyUsage(clientAuth, uuid)).extendedKeyUsage, [clientAuth, uuid])
  const borders = ['0.0', '0.39.1', '1.0.1', '1.39.127', '2.0.128', '2.999.16384']
  assert.deepEqual(decodeWith(extendedKeyUsage(...borders)).extendedKeyUsage, borders)
})

test('reads an object identifier of 64 bytes', () => {
  const longest = `1.2${'.3'.repeat(63)}`

  assert.deepEqual(decodeWith(extension(longest, nullValue, true)).unknownCriticalExtensions, [longest])
})

test('reads alternative names of every type', () => {
  const certificate = decodeWith(
    subjectAlternativeName(
      generalName.other(),
      generalName.email('ops@saas.example'),
      generalName.dns('saas.example'),
      generalName.x400(),
      generalName.directory(name('O=Other')),
      generalName.ediParty(),
      generalName.uri('spiffe://saas.example/x'),
      generalName.ip('0a000001'),
      generalName.ip('20010db8000000000000000000000001'),
      generalName.registeredId(),
    ),
  )

  assert.deepEqual(
    certificate.subjectAlternativeName?.names.map(({ type }) => type),
    ['other', 'email', 'dns', 'x400', 'directory', 'ediParty', 'uri', 'ip', 'ip', 'registeredId'],
  )
})

test('reads permitted and excluded subtrees of every type', () => {
  const bases = [
    generalName.email(''),
    generalName.dns(''),
    generalName.uri('.example'),
    generalName.directory(name()),
    generalName.ip('0a000000ff000000'),
    generalName.ip(`${'00'.repeat(16)}${'00'.repeat(16)}`),
    generalName.ip(`${'20010db8'.padEnd(32, '0')}${'ff'.repeat(16)}`),
    generalName.ip(`${'20010db8'.padEnd(32, '0')}fffe${'00'.repeat(14)}`),
  ]

  const both = decodeWith(nameConstraints({ permitted: bases, excluded: bases }))
  const permitted = decodeWith(nameConstraints({ permitted: bases }))
  const excluded = decodeWith(nameConstraints({ excluded: bases }))

  assert.equal(both.nameConstraints?.permitted.length, 8)
  assert.deepEqual(both.nameConstraints.permitted, both.nameConstraints.excluded)
  assert.equal(permitted.nameConstraints?.excluded.length, 0)
  assert.equal(excluded.nameConstraints?.permitted.length, 0)
})

test('reads key identifiers, with an issuer and serial number or without a key id', () => {
  const whole = sequence(tlv(0x80, hex('0aff')), tlv(0xa1, generalName.directory(name('O=x'))), tlv(0x82, hex('01')))
  const without = sequence(tlv(0xa1, generalName.directory(name('O=x'))), tlv(0x82, hex('01')))

  assert.equal(decodeWith(extension('2.5.29.14', tlv(0x04, hex('00ab')))).subjectKeyId, '00ab')
  const { authorityKeyId, authorityCertificate } = decodeWith(extension('2.5.29.35', whole))
  assert.equal(authorityKeyId, '0aff')
  assert.equal(authorityCertificate?.issuer?.text, 'O=x')
  assert.equal(authorityCertificate.serialNumber, '01')
  assert.equal(decodeWith(extension('2.5.29.35', without)).authorityKeyId, undefined)
  assert.equal(decodeWith(extension('2.5.29.35', without)).authorityCertificate?.serialNumber, '01')
  for (const bare of [sequence(tlv(0x80, hex('0aff'))), sequence(tlv(0xa1, generalName.dns('a.example')))]) {
    assert.equal('authorityCertificate' in decodeWith(extension('2.5.29.35', bare)), false)
  }
})

test('lists critical extensions that it does not process and ignores others', () => {
  const certificate = decodeWith(
    extension('1.2.3.4', nullValue, true),
    extension('1.2.3.5', nullValue),
    extension('2.5.29.46', nullValue, true),
  )

  assert.deepEqual(certificate.unknownCriticalExtensions, ['1.2.3.4', '2.5.29.46'])
})

const names = (...list: readonly Buffer[]): Buffer => extension('2.5.29.17', sequence(...list))
const subtrees = (content: Buffer): Buffer => extension('2.5.29.30', content)
const subtree = (...parts: readonly Buffer[]): Buffer => subtrees(sequence(tlv(0xa0, sequence(...parts))))
const dns = generalName.dns('saas.example')

const malformed: readonly (readonly [what: string, extension: Buffer])[] = [
  ['an extension that is not a sequence', nullValue],
  ['an extension without a value', sequence(objectIdentifier('1.2.3'))],
  ['bytes after the value of an extension', sequence(objectIdentifier('1.2.3'), tlv(0x04, nullValue), nullValue)],
  ['a critical flag that is neither true nor false', sequence(objectIdentifier('1.2.3'), flag('01'), tlv(0x04))],
  ['a critical flag of two bytes', sequence(objectIdentifier('1.2.3'), flag('ffff'), tlv(0x04))],
  ['bytes after basicConstraints', extension('2.5.29.19', Buffer.concat([sequence(), nullValue]))],
  ['bytes inside basicConstraints', extension('2.5.29.19', sequence(flag('ff'), integer(1), nullValue))],
  ['a path length without cA', extension('2.5.29.19', sequence(integer(1)))],
  ['a negative path length', extension('2.5.29.19', sequence(flag('ff'), hex('020180')))],
  ['an empty key usage', extension('2.5.29.15', hex('0300'))],
  ['a key usage without a byte', extension('2.5.29.15', hex('030100'))],
  ['a key usage of eight bytes', extension('2.5.29.15', bitString(Buffer.alloc(8, 1)))],
  ['a key usage without a bit', extension('2.5.29.15', bitString(hex('00')))],
  ['a key usage with an unused bit set', extension('2.5.29.15', bitString(hex('81'), 7))],
  ['a key usage with eight unused bits', extension('2.5.29.15', bitString(hex('8000'), 8))],
  ['bytes after the key usage', extension('2.5.29.15', Buffer.concat([bitString(hex('80')), nullValue]))],
  ['an empty extended key usage', extendedKeyUsage()],
  ['an object identifier of more than 64 bytes', extension(`1.2${'.3'.repeat(64)}`, nullValue)],
  ['an extended key usage that is not an object identifier', extension('2.5.29.37', sequence(nullValue))],
  ['an empty list of alternative names', names()],
  ['bytes after the alternative names', extension('2.5.29.17', Buffer.concat([sequence(dns), nullValue]))],
  ['an alternative name of an unknown type', names(tlv(0x89, 'x'))],
  ['an alternative name in constructed form', names(tlv(0xa6, 'spiffe://saas.example/x'))],
  ['an empty dns name', names(generalName.dns(''))],
  ['an empty uri name', names(generalName.uri(''))],
  ['an empty email name', names(generalName.email(''))],
  ['a NUL inside a uri name', names(generalName.uri('spiffe://saas.example/x\0.evil.example'))],
  ['a NUL inside a dns name', names(generalName.dns('saas.example\0.evil.example'))],
  ['a NUL inside an email name', names(generalName.email('a@saas.example\0'))],
  ['a non-ASCII byte in a uri name', names(generalName.uri('spiffe://saas.example/\u00e9'))],
  ['a line break inside a uri name', names(generalName.uri('spiffe://saas.example/x\n'))],
  ['a DEL inside a dns name', names(generalName.dns('saas\x7f.example'))],
  ['an address of five bytes', names(generalName.ip('0a00000100'))],
  ['an address with a mask as a name', names(generalName.ip('0a000001ffffffff'))],
  ['bytes after a directory name', names(tlv(0xa4, name('O=x'), nullValue))],
  ['empty name constraints', nameConstraints({})],
  ['an empty list of permitted subtrees', nameConstraints({ permitted: [] })],
  ['an empty list of excluded subtrees', nameConstraints({ excluded: [] })],
  ['subtrees in the wrong order', subtrees(sequence(tlv(0xa1, sequence(dns)), tlv(0xa0, sequence(dns))))],
  ['a subtree with a minimum', subtree(dns, tlv(0x80, hex('01')))],
  ['a subtree with its default minimum written out', subtree(dns, tlv(0x80, hex('00')))],
  ['a subtree with a maximum', subtree(dns, tlv(0x81, hex('05')))],
  ['a subtree without a base', subtree()],
  ['a subtree of addresses without a mask', nameConstraints({ permitted: [generalName.ip('0a000000')] })],
  [
    'a subtree of addresses with gaps in its mask',
    nameConstraints({ permitted: [generalName.ip('0a000000ff00ff00')] }),
  ],
  ['a NUL inside a subtree', nameConstraints({ excluded: [generalName.dns('evil.example\0')] })],
  ['a subject key id that is not an octet string', extension('2.5.29.14', nullValue)],
  ['bytes after the subject key id', extension('2.5.29.14', Buffer.concat([tlv(0x04, hex('ab')), nullValue]))],
  ['an authority key id with unknown fields', extension('2.5.29.35', sequence(tlv(0x83, hex('ab'))))],
]

for (const [what, value] of malformed) {
  test(`rejects ${what}`, () => {
    assert.throws(() => decodeWith(value), { code: 'certificate_malformed' })
  })
}

test('rejects a duplicate extension, known or unknown', () => {
  const unknown = extension('1.2.3.4', nullValue)

  assert.throws(() => decodeWith(unknown, unknown), { code: 'certificate_malformed' })
  assert.throws(() => decodeWith(basicConstraints(false), basicConstraints(true)), { code: 'certificate_malformed' })
})
