import assert from 'node:assert/strict'
import test from 'node:test'
import { splitDer } from '../../packages/spiffe/src/certificate/der.ts'
import { hex, sequence } from './encode.ts'
import { encodeCertificate } from './issue.ts'

const certificate = encodeCertificate()

test('splits concatenated certificates by their lengths', () => {
  const other = sequence(hex('020101'))

  const parts = splitDer(Buffer.concat([certificate, other, certificate]))

  assert.deepEqual(parts, [certificate, other, certificate])
})

test('returns no certificates for empty input', () => {
  assert.deepEqual(splitDer(Buffer.alloc(0)), [])
})

test('reads lengths at the boundaries of their encodings', () => {
  for (const length of [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_00_00]) {
    const element = sequence(Buffer.alloc(length))

    assert.deepEqual(splitDer(element), [element])
  }
})

test('respects the bounds of a view into a larger buffer', () => {
  const larger = Buffer.concat([Buffer.alloc(7), certificate, Buffer.alloc(9)])

  const parts = splitDer(new Uint8Array(larger.buffer, larger.byteOffset + 7, certificate.length))

  assert.deepEqual(parts, [certificate])
})

test('rejects bytes after a certificate that do not start another one', () => {
  for (const rest of ['00', '0500', '3100', 'ff']) {
    assert.throws(() => splitDer(Buffer.concat([certificate, hex(rest)])), { code: 'certificate_trailing_bytes' })
  }
})

const malformed: readonly (readonly [what: string, bytes: string])[] = [
  ['something other than a sequence', '020101'],
  ['a tag without a length', '30'],
  ['an indefinite length', '3080 020101 0000'],
  ['an indefinite length before 128 bytes', `3080${'00'.repeat(128)}`],
  ['a length of one byte in the long form', '308103 020101'],
  ['a length with a leading zero byte', '30820003 020101'],
  ['a length of four bytes', '308400000003 020101'],
  ['a length of five bytes', '308500000000 03 020101'],
  ['the reserved length byte 0xff', '30ff 020101'],
  ['a truncated length', '3082 01'],
  ['content shorter than its length', '3004 020101'],
  ['a length of four bytes far beyond the end', '3084ffffffff 020101'],
]

for (const [what, bytes] of malformed) {
  test(`rejects ${what}`, () => {
    assert.throws(() => splitDer(hex(bytes)), { code: 'certificate_malformed' })
    assert.throws(() => splitDer(Buffer.concat([certificate, hex(bytes)])), {
      name: 'CertificateError',
      code: bytes.startsWith('30') ? 'certificate_malformed' : 'certificate_trailing_bytes',
    })
  })
}
