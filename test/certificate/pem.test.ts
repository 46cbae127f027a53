import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import test from 'node:test'
import { parseCertificates, toPem } from '../../packages/core/src/certificate/pem.ts'
import { name, nullValue } from './encode.ts'
import { encodeCertificate } from './issue.ts'

const first = encodeCertificate({ subject: name('CN=first') })
const second = encodeCertificate({ subject: name('CN=second') })
const firstPem = new X509Certificate(first).toString()
const secondPem = new X509Certificate(second).toString()

function subjectsOf(input: string | Uint8Array): readonly string[] {
  return parseCertificates(input).map(({ subject }) => subject.text)
}

test('reads PEM from text and from bytes, and concatenated DER', () => {
  const both = ['CN=first', 'CN=second']

  assert.deepEqual(subjectsOf(firstPem + secondPem), both)
  assert.deepEqual(subjectsOf(Buffer.from(firstPem + secondPem)), both)
  assert.deepEqual(subjectsOf(Buffer.concat([first, second])), both)
})

test('passes over what openssl writes around certificates, and over other blocks', () => {
  const text = [
    'Certificate:\n    Data:\n        Version: 3 (0x2)\n-----------------\n0 s:CN = first',
    firstPem,
    '-----BEGIN PRIVATE KEY-----\nnot even base64\n-----END PRIVATE KEY-----',
    '-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END EC PRIVATE KEY-----',
    firstPem.replaceAll(' CERTIFICATE', ' TRUSTED CERTIFICATE'),
    firstPem.replaceAll(' CERTIFICATE', ' X509 CRL'),
    'subject=CN = second',
    secondPem,
  ].join('\n')

  assert.deepEqual(subjectsOf(text), ['CN=first', 'CN=second'])
})

test('reads the older label, other line ends, and lines of another length or with blanks', () => {
  assert.deepEqual(subjectsOf(firstPem.replaceAll(' CERTIFICATE', ' X509 CERTIFICATE')), ['CN=first'])
  assert.deepEqual(subjectsOf(firstPem.replaceAll('\n', '\r\n')), ['CN=first'])
  assert.deepEqual(subjectsOf(firstPem.replaceAll('\n', '\r')), ['CN=first'])
  assert.deepEqual(subjectsOf(firstPem.replaceAll('\n', ' \t\n')), ['CN=first'])
  const oneLine = `-----BEGIN CERTIFICATE-----\n${first.toString('base64')}\n-----END CERTIFICATE-----`
  assert.deepEqual(subjectsOf(oneLine), ['CN=first'])
})

test('takes bytes that begin like text for text, even when the first letter is that of a sequence', () => {
  assert.deepEqual(subjectsOf(Buffer.from(`0 s:CN = first\n${firstPem}`)), ['CN=first'])
})

test('finds no certificate in nothing, in other text, and in other blocks', () => {
  const key = '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'
  for (const input of ['', 'no certificate', key, new Uint8Array(0), Buffer.from([0x30])]) {
    assert.throws(() => parseCertificates(input), { code: 'certificate_missing' })
  }
})

const body = first.toString('base64')
const malformed: readonly (readonly [what: string, text: string])[] = [
  ['a block that does not end', firstPem.replace('-----END CERTIFICATE-----', '')],
  ['another block that does not end', `${firstPem}-----BEGIN PRIVATE KEY-----\nAAAA\n`],
  ['an end without a beginning', `-----END CERTIFICATE-----\n${firstPem}`],
  ['an end of another block', firstPem.replace('END CERTIFICATE', 'END PRIVATE KEY')],
  ['a block inside a block', `-----BEGIN CERTIFICATE-----\n${firstPem}-----END CERTIFICATE-----`],
  ['a boundary with too few hyphens', firstPem.replace('BEGIN CERTIFICATE-----', 'BEGIN CERTIFICATE----')],
  ['text behind a boundary', firstPem.replace('BEGIN CERTIFICATE-----', 'BEGIN CERTIFICATE----- x')],
  ['an empty block', '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----'],
  ['letters that are no base64', firstPem.replace(body.slice(0, 4), '*III')],
  ['the other alphabet of base64', firstPem.replace(body.slice(0, 4), '-_II')],
  ['base64 without its padding', `-----BEGIN CERTIFICATE-----\nMAA\n-----END CERTIFICATE-----`],
  ['base64 with bits behind its end', `-----BEGIN CERTIFICATE-----\nMAB=\n-----END CERTIFICATE-----`],
  ['headers before the base64', firstPem.replace('-----\n', '-----\nProc-Type: 4,ENCRYPTED\n\n')],
]

for (const [what, text] of malformed) {
  test(`refuses PEM with ${what}`, () => {
    assert.throws(() => parseCertificates(text), { code: 'certificate_malformed' })
  })
}

test('refuses bytes after a certificate, inside a block and behind DER', () => {
  const block = toPem({ der: Buffer.concat([first, nullValue]) })

  assert.throws(() => parseCertificates(block), { code: 'certificate_trailing_bytes' })
  assert.throws(() => parseCertificates(Buffer.concat([first, nullValue])), { code: 'certificate_trailing_bytes' })
})

test('refuses two certificates in one block', () => {
  const block = toPem({ der: Buffer.concat([first, second]) })

  assert.throws(() => parseCertificates(block), { code: 'certificate_trailing_bytes' })
})

test('writes the same PEM as Node', () => {
  assert.equal(toPem({ der: first }), firstPem)
  const [certificate] = parseCertificates(second)
  assert.equal(certificate === undefined ? '' : toPem(certificate), secondPem)
  assert.equal(toPem({ der: Buffer.alloc(48) }).split('\n').length, 4)
})
