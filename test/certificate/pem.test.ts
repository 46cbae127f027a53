import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import test from 'node:test'
import { CertificateError } from '../../packages/spiffe/src/errors.ts'
import { parseCertificates, toPem } from '../../packages/spiffe/src/certificate/pem.ts'
import { name, nullValue } from './encode.ts'
import { encodeCertificate } from './issue.ts'

const first = encodeCertificate({ subject: name('CN=first') })
const second = encodeCertificate({ subject: name('CN=second') })
const firstPem = new X509Certificate(first).toString()
const secondPem = new X509Certificate(second).toString()

function subjectsOf(input: string | Uint8Array): readonly string[] {
  return parseCertificates(input).map(({ subject }) => subject.text)
}

test('reads PEM from text and bytes, and concatenated DER', () => {
  const both = ['CN=first', 'CN=second']

  assert.deepEqual(subjectsOf(firstPem + secondPem), both)
  assert.deepEqual(subjectsOf(Buffer.from(firstPem + secondPem)), both)
  assert.deepEqual(subjectsOf(Buffer.concat([first, second])), both)
})

test('ignores the text that openssl writes around certificates, and other blocks', () => {
  const text = [
    'Certificate:\n    Data:\n        Version: 3 (0x2)\n-----------------\n0 s:CN = first',
    firstPem,
    '-----BEGIN PRIVATE KEY-----\nnot even base64\n-----END PRIVATE KEY-----',
    '-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END EC PRIVATE KEY-----',
    firstPem.replaceAll(' CERTIFICATE', ' CERTIFICATE REQUEST'),
    firstPem.replaceAll(' CERTIFICATE', ' X509 CRL'),
    'subject=CN = second',
    secondPem,
  ].join('\n')

  assert.deepEqual(subjectsOf(text), ['CN=first', 'CN=second'])
})

test('accepts the older label, other line endings, other line lengths and blanks', () => {
  assert.deepEqual(subjectsOf(firstPem.replaceAll(' CERTIFICATE', ' X509 CERTIFICATE')), ['CN=first'])
  assert.deepEqual(subjectsOf(firstPem.replaceAll('\n', '\r\n')), ['CN=first'])
  assert.deepEqual(subjectsOf(firstPem.replaceAll('\n', '\r')), ['CN=first'])
  assert.deepEqual(subjectsOf(firstPem.replaceAll('\n', ' \t\n')), ['CN=first'])
  const oneLine = `-----BEGIN CERTIFICATE-----\n${first.toString('base64')}\n-----END CERTIFICATE-----`
  assert.deepEqual(subjectsOf(oneLine), ['CN=first'])
})

test('reads bytes that start like text as text, even if the first character is a sequence tag', () => {
  assert.deepEqual(subjectsOf(Buffer.from(`0 s:CN = first\n${firstPem}`)), ['CN=first'])
})

test('finds no certificate in empty input, other text and other blocks', () => {
  const key = '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'
  for (const input of ['', 'no certificate', key, new Uint8Array(0), Buffer.from([0x30])]) {
    assert.throws(() => parseCertificates(input), { code: 'certificate_missing' })
  }
})

const body = first.toString('base64')
const malformed: readonly (readonly [what: string, text: string])[] = [
  ['a block that does not end', firstPem.replace('-----END CERTIFICATE-----', '')],
  ['another block that does not end', `${firstPem}-----BEGIN PRIVATE KEY-----\nAAAA\n`],
  ['an end without a start', `-----END CERTIFICATE-----\n${firstPem}`],
  ['the end of another block', firstPem.replace('END CERTIFICATE', 'END PRIVATE KEY')],
  ['a block inside a block', `-----BEGIN CERTIFICATE-----\n${firstPem}-----END CERTIFICATE-----`],
  ['a boundary with too few hyphens', firstPem.replace('BEGIN CERTIFICATE-----', 'BEGIN CERTIFICATE----')],
  ['text after a boundary', firstPem.replace('BEGIN CERTIFICATE-----', 'BEGIN CERTIFICATE----- x')],
  ['an empty block', '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----'],
  ['characters that are not base64', firstPem.replace(body.slice(0, 4), '*III')],
  ['the other alphabet of base64', firstPem.replace(body.slice(0, 4), '-_II')],
  ['base64 without its padding', `-----BEGIN CERTIFICATE-----\nMAA\n-----END CERTIFICATE-----`],
  ['base64 with bits after its end', `-----BEGIN CERTIFICATE-----\nMAB=\n-----END CERTIFICATE-----`],
  ['headers before the base64', firstPem.replace('-----\n', '-----\nProc-Type: 4,ENCRYPTED\n\n')],
  ['a trusted certificate of OpenSSL', firstPem.replaceAll(' CERTIFICATE', ' TRUSTED CERTIFICATE')],
  ['a PKCS#7 block', firstPem.replaceAll(' CERTIFICATE', ' PKCS7')],
  ['a PKCS#7 block with its longer label', firstPem.replaceAll(' CERTIFICATE', ' PKCS #7 SIGNED DATA')],
  ['a CMS block', firstPem.replaceAll(' CERTIFICATE', ' CMS')],
  ['an attribute certificate', firstPem.replaceAll(' CERTIFICATE', ' ATTRIBUTE CERTIFICATE')],
  ['an indented block', firstPem.replaceAll(/^/gm, '  ')],
  ['a block indented by a tab', firstPem.replaceAll(/^/gm, '\t')],
  ['a block indented by a non-ASCII space', firstPem.replaceAll(/^/gm, '\u00a0')],
  ['a block that is commented out', firstPem.replaceAll(/^/gm, '# ')],
  ['a block that is quoted', `"${firstPem}"`],
  ['a label in lower case', firstPem.replaceAll(' CERTIFICATE', ' certificate')],
  ['boundaries in lower case', firstPem.replaceAll(/-----(BEGIN|END) CERTIFICATE-----/g, (line) => line.toLowerCase())],
  ['boundaries without the space', firstPem.replaceAll(/(BEGIN|END) /g, '$1')],
  ['boundaries of four hyphens', firstPem.replaceAll('-----', '----')],
  ['typographic dashes', firstPem.replaceAll('-----', '—–')],
  ['the characters \\n in place of line breaks', firstPem.replaceAll('\n', '\\n')],
  ['no line break between two blocks', firstPem.trim() + firstPem],
  ['base64 outside of a block', firstPem.replaceAll(/^-----.*$/gm, '')],
  ['a control character', firstPem.replace('-----BEGIN', '\0-----BEGIN')],
  ['a byte order mark inside a block', firstPem.replace('-----\n', '-----\n\ufeff')],
]

for (const [what, text] of malformed) {
  test(`rejects PEM with ${what}, alone and after a valid block, as text and as bytes`, () => {
    for (const whole of [text, `${secondPem}${text}`]) {
      assert.throws(() => parseCertificates(whole), { code: 'certificate_malformed' })
      assert.throws(() => parseCertificates(Buffer.from(whole)), { code: 'certificate_malformed' })
    }
  })
}

test('ignores a UTF-8 byte order mark before the first block and before an appended one', () => {
  const text = `\ufeff${firstPem}\n\ufeff${secondPem}`
  assert.deepEqual(subjectsOf(text), ['CN=first', 'CN=second'])
  assert.deepEqual(subjectsOf(Buffer.from(text)), ['CN=first', 'CN=second'])
})

test('rejects UTF-16 in either byte order, with and without a byte order mark, and says so', () => {
  const little = Buffer.from(firstPem, 'utf16le')
  for (const bytes of [little, Buffer.from(little).swap16()]) {
    const marked = Buffer.from(`\ufeff${firstPem}`, 'utf16le')
    for (const input of [bytes, bytes === little ? marked : marked.swap16()]) {
      assert.throws(() => parseCertificates(input), { code: 'certificate_malformed', message: /UTF-16/ })
    }
  }
})

test('rejects DER after PEM, PEM after DER, and DER in a string', () => {
  const refusal = { code: 'certificate_malformed', message: /DER/ }
  assert.throws(() => parseCertificates(Buffer.concat([Buffer.from(firstPem), second])), refusal)
  assert.throws(() => parseCertificates(first.toString('latin1')), refusal)
  assert.throws(() => parseCertificates(Buffer.concat([first, Buffer.from(secondPem)])), {
    code: 'certificate_trailing_bytes',
  })
})

test('names the line that it rejects, and shows nothing after a boundary', () => {
  const secret = first.toString('base64').slice(0, 24)
  const key = `text\n  -----BEGIN PRIVATE KEY-----\\n${secret}\\n-----END PRIVATE KEY-----`
  assert.throws(
    () => parseCertificates(key),
    ({ message }: Error) => /line 2: found 'BEGIN PRIVATE KEY'/.test(message) && !message.includes(secret),
  )
})

test('takes time proportional to the length of a text of one megabyte', () => {
  // With a backtracking pattern the first would take an hour.
  for (const text of ['-'.repeat(2 ** 20), `----- BEGIN${' '.repeat(2 ** 20)}`, `MI${'A'.repeat(2 ** 20)}!`]) {
    assert.throws(() => parseCertificates(text), { code: 'certificate_missing' })
  }
})

const mebibytes = 4 * 2 ** 20

for (const [what, text] of [
  [
    'a header with blanks inside',
    `-----BEGIN CERTIFICATE-----\nA:y${' '.repeat(mebibytes)}x\n-----END CERTIFICATE-----\n`,
  ],
  ['hyphens and blanks around BEGIN', `${'-'.repeat(200)}BEGIN${' '.repeat(280)}q\n`.repeat(8000)],
  ['dashes of a word processor', `${'\u2013'.repeat(499)}x\n`.repeat(2700)],
  ['one line of hyphens and BEGIN', `${'-'.repeat(2 ** 20)}BEGIN${' '.repeat(3 * 2 ** 20)}`],
] as const) {
  test(`reads each character of a text of megabytes only a few times: ${what}`, () => {
    // With a backtracking pattern each of these would take minutes.
    assert.throws(() => parseCertificates(text), CertificateError)
  })
}

test('a line of more than 1024 characters is not a header', () => {
  for (const [length, found] of [
    [1024, /header Name/],
    [1025, /invalid base64/],
  ] as const) {
    const header = `Name: ${'x'.repeat(length - 'Name: '.length)}`
    const text = firstPem.replace('-----\n', `-----\n${header}\n\n`)
    assert.throws(() => parseCertificates(text), { code: 'certificate_malformed', message: found })
  }
})

test('rejects a boundary after any number of blanks, and text after a boundary', () => {
  const blanks = ' '.repeat(1000)
  for (const text of [
    firstPem.replace('-----BEGIN', `${blanks}-----BEGIN`),
    firstPem.replace('-----\n', `-----${blanks}x\n`),
  ]) {
    assert.throws(() => parseCertificates(text), { code: 'certificate_malformed' })
  }
})

for (const [what, input, pattern] of [
  ['a certificate signing request', firstPem.replaceAll(' CERTIFICATE', ' CERTIFICATE REQUEST'), /CERTIFICATE REQUEST/],
  ['a key', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n', /PRIVATE KEY/],
  ['base64-encoded PEM', Buffer.from(firstPem).toString('base64'), /Kubernetes Secret/],
  ['JSON', '{"keys":[]}', /JSON/],
] as const) {
  test(`reports that it found ${what} instead of a certificate`, () => {
    assert.throws(() => parseCertificates(input), { code: 'certificate_missing', message: pattern })
  })
}

test('rejects bytes after a certificate, inside a block and after DER', () => {
  const block = toPem({ der: Buffer.concat([first, nullValue]) })

  assert.throws(() => parseCertificates(block), { code: 'certificate_trailing_bytes' })
  assert.throws(() => parseCertificates(Buffer.concat([first, nullValue])), { code: 'certificate_trailing_bytes' })
})

test('rejects two certificates in one block', () => {
  const block = toPem({ der: Buffer.concat([first, second]) })

  assert.throws(() => parseCertificates(block), { code: 'certificate_trailing_bytes' })
})

test('writes the same PEM as Node', () => {
  assert.equal(toPem({ der: first }), firstPem)
  const [certificate] = parseCertificates(second)
  assert.equal(certificate === undefined ? '' : toPem(certificate), secondPem)
  assert.equal(toPem({ der: Buffer.alloc(48) }).split('\n').length, 4)
})
