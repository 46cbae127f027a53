import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto'
import test from 'node:test'
import { decodeCertificate, decodeConfirmedCertificate } from '../../packages/spiffe/src/certificate/decode.ts'
import { readElement } from '../../packages/spiffe/src/certificate/der.ts'
import { attribute, bitString, hex, integer, name, nullValue, objectIdentifier, sequence, time, tlv } from './encode.ts'
import {
  clientAuth,
  encodeCertificate,
  exportKey,
  type Fields,
  issueByLibrary,
  keyPair,
  now,
  serverAuth,
  signer,
} from './issue.ts'

test('reads every field of a certificate encoded by another library', async () => {
  const written = await issueByLibrary({
    subject: 'C=US, O=SPIRE, CN=core-api',
    issuer: 'C=US, O=Authority',
    keyType: 'P-256',
    cA: true,
    pathLength: 3,
    names: [
      { type: 'url', value: 'spiffe://saas.example/ns/production/sa/core-api' },
      { type: 'dns', value: 'core-api.example' },
      { type: 'email', value: 'ops@saas.example' },
      { type: 'ip', value: '10.0.0.1' },
      { type: 'dn', value: 'O=Other' },
    ],
    notBefore: Date.UTC(2026, 0, 2, 3, 4, 5),
    notAfter: Date.UTC(2051, 0, 1),
  })
  const der = Buffer.from(written.rawData)

  const certificate = decodeConfirmedCertificate(der)

  assert.deepEqual(certificate.der, der)
  assert.equal(certificate.sha256, createHash('sha256').update(der).digest('hex'))
  assert.equal(certificate.serialNumber, '0a0b0c')
  assert.equal(certificate.subject.text, 'CN=core-api,O=SPIRE,C=US')
  assert.deepEqual(certificate.subject.commonNames, ['core-api'])
  assert.equal(certificate.issuer.text, 'O=Authority,C=US')
  assert.equal(certificate.notBefore, Date.UTC(2026, 0, 2, 3, 4, 5))
  assert.equal(certificate.notAfter, Date.UTC(2051, 0, 1))
  assert.ok(certificate.publicKey.equals(keyPair('P-256').publicKey))
  assert.deepEqual(certificate.basicConstraints, { cA: true, pathLength: 3 })
  assert.deepEqual(certificate.keyUsage, { critical: true, usages: new Set(['keyCertSign']) })
  assert.deepEqual(certificate.extendedKeyUsage, [serverAuth, clientAuth])
  assert.equal(certificate.subjectAlternativeName?.critical, false)
  const [uri, dns, email, ip, directory] = certificate.subjectAlternativeName.names
  assert.deepEqual(uri, { type: 'uri', value: 'spiffe://saas.example/ns/production/sa/core-api' })
  assert.deepEqual(dns, { type: 'dns', value: 'core-api.example' })
  assert.deepEqual(email, { type: 'email', value: 'ops@saas.example' })
  assert.deepEqual(ip, { type: 'ip', value: hex('0a000001') })
  assert.ok(directory?.type === 'directory' && directory.value.text === 'O=Other')
  assert.equal(certificate.subjectKeyId, certificate.authorityKeyId)
  assert.match(certificate.subjectKeyId ?? '', /^[\da-f]{40}$/)
  assert.equal(certificate.signature.algorithm, '1.2.840.10045.4.3.3')
  assert.equal(certificate.signature.algorithmsAgree, true)
  assert.deepEqual(certificate.unknownCriticalExtensions, [])
  assert.equal(certificate.selfIssued, false)
})

test('copies the input bytes', () => {
  const der = encodeCertificate()
  const certificate = decodeCertificate(der)
  const { sha256 } = certificate

  der.fill(0)

  assert.equal(createHash('sha256').update(certificate.der).digest('hex'), sha256)
})

test('reads the certificate itself if its subject contains the PEM of another one', () => {
  const hidden = new X509Certificate(encodeCertificate({ subject: name('CN=hidden') })).toString()
  const der = encodeCertificate({ subject: name(`CN=\n${hidden}`) })

  const certificate = decodeCertificate(der)

  assert.notEqual(certificate.subject.text, 'CN=hidden')
  assert.deepEqual(certificate.der, der)
})

test('reads a version 1 certificate, which has no extensions', () => {
  const certificate = decodeCertificate(encodeCertificate({ version: Buffer.alloc(0), extensions: null }))

  assert.equal(certificate.basicConstraints, undefined)
  assert.deepEqual(certificate.unknownCriticalExtensions, [])
})

test('ignores unique identifiers in versions 2 and 3', () => {
  const uniqueIds = Buffer.concat([tlv(0x81, hex('0001')), tlv(0x82, hex('0002'))])

  assert.ok(decodeCertificate(encodeCertificate({ uniqueIds })))
  assert.ok(decodeCertificate(encodeCertificate({ uniqueIds, version: tlv(0xa0, integer(1)), extensions: null })))
})

test('reads serial numbers of every length and sign', () => {
  const serials = [
    ['020101', '01'],
    ['020200ff', 'ff'],
    ['02020001', '01'],
    ['0201ff', 'ff'],
    ['020100', '00'],
    ['0200', '00'],
    [`0215${'7f'.repeat(21)}`, '7f'.repeat(21)],
  ] as const
  for (const [encoded, expected] of serials) {
    assert.equal(decodeCertificate(encodeCertificate({ serialNumber: hex(encoded) })).serialNumber, expected)
  }
})

test('reads dates in both time formats, in each century', () => {
  const dates = [
    [tlv(0x17, '491231235959Z'), Date.UTC(2049, 11, 31, 23, 59, 59)],
    [tlv(0x17, '500101000000Z'), Date.UTC(1950, 0, 1)],
    [tlv(0x18, '20240229120000Z'), Date.UTC(2024, 1, 29, 12)],
    [tlv(0x18, '99991231235959Z'), Date.UTC(9999, 11, 31, 23, 59, 59)],
  ] as const
  for (const [notAfter, expected] of dates) {
    assert.equal(decodeCertificate(encodeCertificate({ notAfter })).notAfter, expected)
  }
})

test('detects that the inner and outer signature algorithms differ', () => {
  const signedAlgorithm = signer(keyPair().privateKey, 'sha384').algorithm

  assert.equal(decodeCertificate(encodeCertificate({ signedAlgorithm })).signature.algorithmsAgree, false)
})

test('treats a certificate as self-issued if its names are equal, whoever signed it', () => {
  const fields = { issuer: name('O=Authority  One'), subject: name('O=authority one') }

  assert.equal(decodeCertificate(encodeCertificate(fields)).selfIssued, true)
})

const key = exportKey(keyPair())
const algorithm = key.subarray(2, 2 + 21)
const by = signer(keyPair().privateKey)

const malformed: readonly (readonly [what: string, fields: Partial<Fields>])[] = [
  ['version 1 written out', { version: tlv(0xa0, integer(0)), extensions: null }],
  ['version 4', { version: tlv(0xa0, integer(3)) }],
  ['a padded version', { version: tlv(0xa0, hex('02020002')) }],
  ['a negative version', { version: tlv(0xa0, hex('0201ff')) }],
  ['a version without a number', { version: tlv(0xa0, hex('0200')) }],
  ['a version of seven bytes', { version: tlv(0xa0, hex('020701000000000002')) }],
  ['bytes after the version', { version: tlv(0xa0, integer(2), integer(2)) }],
  ['extensions in version 1', { version: Buffer.alloc(0) }],
  ['extensions in version 2', { version: tlv(0xa0, integer(1)) }],
  ['a unique identifier in version 1', { version: Buffer.alloc(0), extensions: null, uniqueIds: tlv(0x81, hex('00')) }],
  ['unique identifiers in the wrong order', { uniqueIds: Buffer.concat([tlv(0x82), tlv(0x81)]) }],
  ['an empty list of extensions', { extensions: [] }],
  ['a serial number that is not an integer', { serialNumber: nullValue }],
  ['a tag of several bytes', { serialNumber: hex('1f820101') }],
  ['a day that does not exist', { notAfter: tlv(0x17, '260231000000Z') }],
  ['a month that does not exist', { notAfter: tlv(0x17, '261301000000Z') }],
  ['the hour 24', { notAfter: tlv(0x17, '260101240000Z') }],
  ['a leap second', { notAfter: tlv(0x17, '261231235960Z') }],
  ['UTCTime without seconds', { notAfter: tlv(0x17, '2601010000Z') }],
  ['UTCTime with four digits of the year', { notAfter: tlv(0x17, '20260101000000Z') }],
  ['GeneralizedTime with two digits of the year', { notAfter: tlv(0x18, '260101000000Z') }],
  ['UTCTime with an offset', { notAfter: tlv(0x17, '260101000000+0100') }],
  ['GeneralizedTime with a fraction', { notAfter: tlv(0x18, '20260101000000.5Z') }],
  ['GeneralizedTime in local time', { notAfter: tlv(0x18, '20260101000000') }],
  ['a time of another type', { notAfter: tlv(0x16, '260101000000Z') }],
  ['a time of another type with four digits of the year', { notAfter: tlv(0x16, '20260101000000Z') }],
  ['bytes after the dates', { notAfter: Buffer.concat([time(now), time(now)]) }],
  ['a key with unused bits', { publicKey: sequence(algorithm, bitString(hex('0400'), 1)) }],
  [
    'a key whose algorithm has two parameters',
    { publicKey: sequence(sequence(algorithm.subarray(2), nullValue), bitString(hex('04'))) },
  ],
  ['a key without bits', { publicKey: sequence(algorithm, hex('0300')) }],
  ['bytes after the key', { publicKey: sequence(key.subarray(2), nullValue) }],
  [
    'a signature algorithm with two parameters',
    { signer: { ...by, algorithm: sequence(objectIdentifier('1.2.3'), nullValue, nullValue) } },
  ],
  ['a padded signature algorithm', { signer: { ...by, algorithm: sequence(hex('06032a8003')) } }],
  ['a signature algorithm with a padded first arc', { signer: { ...by, algorithm: sequence(hex('0603802a03')) } }],
  ['a truncated signature algorithm', { signer: { ...by, algorithm: sequence(hex('06022a83')) } }],
  ['a signature algorithm without arcs', { signer: { ...by, algorithm: sequence(hex('0600')) } }],
  ['a signature without bytes', { damage: () => Buffer.alloc(0) }],
]

for (const [what, fields] of malformed) {
  test(`rejects ${what}`, () => {
    assert.throws(() => decodeCertificate(encodeCertificate(fields)), { code: 'certificate_malformed' })
  })
}

test('rejects a key that Node cannot read', () => {
  const unknown = sequence(sequence(objectIdentifier('1.2.3.4')), bitString(hex('04')))
  const offTheCurve = sequence(algorithm, bitString(hex(`04${'11'.repeat(64)}`)))

  for (const publicKey of [unknown, offTheCurve]) {
    assert.throws(() => decodeCertificate(encodeCertificate({ publicKey })), { code: 'certificate_unsupported' })
  }
})

test('rejects explicit curve parameters, even those of P-256', () => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' })
  const explicit = publicKey.export({ type: 'spki', format: 'der' })

  assert.throws(() => decodeCertificate(encodeCertificate({ publicKey: explicit })), {
    code: 'certificate_unsupported',
  })
})

test('rejects empty input, two certificates, and bytes after a certificate', () => {
  const der = encodeCertificate()

  assert.throws(() => decodeCertificate(Buffer.alloc(0)), { code: 'certificate_missing' })
  assert.throws(() => decodeCertificate(Buffer.concat([der, der])), { code: 'certificate_trailing_bytes' })
  assert.throws(() => decodeCertificate(Buffer.concat([der, hex('00')])), { code: 'certificate_trailing_bytes' })
})

test('rejects bytes after the signature inside the outer sequence', () => {
  const inside = readElement(encodeCertificate(), 0, 'certificate').content

  assert.ok(decodeCertificate(sequence(inside)))
  assert.throws(() => decodeCertificate(sequence(inside, nullValue)), { code: 'certificate_malformed' })
})

test('rejects a certificate truncated at any position', () => {
  const der = encodeCertificate()

  for (let length = 1; length < der.length; length += 1) {
    assert.throws(() => decodeCertificate(der.subarray(0, length)), { name: 'CertificateError' })
  }
})

test('throws only its own errors, whichever byte is changed', () => {
  const der = encodeCertificate()

  for (const [index, byte] of der.entries()) {
    for (const changed of [0x00, 0x80, 0xff, byte ^ 1, byte ^ 0x20]) {
      const copy = Buffer.from(der)
      copy[index] = changed
      try {
        decodeCertificate(copy)
      } catch (error) {
        assert.equal(error instanceof Error ? error.name : error, 'CertificateError')
      }
    }
  }
})

test('rejects a configured certificate that a second parser reads differently', () => {
  // The second parser reads the year 0 as 1900.
  const ancient = encodeCertificate({ notBefore: tlv(0x18, '00000101000000Z') })

  assert.equal(decodeCertificate(ancient).notBefore, Date.parse('0000-01-01T00:00:00Z'))
  assert.throws(() => decodeConfirmedCertificate(ancient), { code: 'certificate_malformed' })
})

test('rejects a configured certificate that a second parser rejects', () => {
  const odd = encodeCertificate({ subject: name(attribute('CN=no time', 0x18)) })

  assert.ok(decodeCertificate(odd))
  assert.throws(() => decodeConfirmedCertificate(odd), { code: 'certificate_malformed' })
})

for (const keyType of ['P-256', 'P-384', 'P-521', 'RSA-2048', 'RSA-PSS', 'Ed25519'] as const) {
  test(`both parsers agree about a certificate with a key of ${keyType}`, () => {
    const der = encodeCertificate({ publicKey: exportKey(keyPair(keyType)) })

    assert.ok(decodeConfirmedCertificate(der).publicKey.equals(keyPair(keyType).publicKey))
  })
}

test('accepts a certificate of 128 KiB and not one byte more', () => {
  // Ed25519 signatures all have the same length.
  const by = signer(keyPair('Ed25519').privateKey)
  const withName = (length: number): Buffer =>
    encodeCertificate({ subject: name(`CN=${'x'.repeat(length)}`), signer: by })
  const rest = withName(100_000).length - 100_000
  const largest = withName(131_072 - rest)
  assert.equal(largest.length, 131_072)
  assert.equal(decodeCertificate(largest).der.length, 131_072)
  assert.throws(() => decodeCertificate(withName(131_073 - rest)), { code: 'certificate_malformed' })
})
