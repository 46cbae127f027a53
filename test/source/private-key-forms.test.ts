import assert from 'node:assert/strict'
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { CertificateError } from '../../packages/spiffe/src/errors.ts'
import { parsePrivateKey } from '../../packages/spiffe/src/source/private-key.ts'
import { integer, nullValue, objectIdentifier, sequence, tlv } from '../certificate/encode.ts'
import { createPair, encrypted, encryptWith, pkcs1, pkcs8, spki, toPem, toSecondVersion } from './encode-private-key.ts'

/*
 * The keys of private-keys.json are one and the same key of P-256 in every form that OpenSSL 3.0.19 writes, with its
 * legacy provider too; the passphrase is `secret`:
 *
 *   openssl pkcs8 -topk8 -in pkcs8.pem -v1 PBE-MD5-DES -passout pass:secret -provider legacy -provider default
 *   openssl pkcs8 -topk8 -in pkcs8.pem -v2 rc2 -passout pass:secret -provider legacy -provider default
 *   openssl ec -in pkcs8.pem -des -passout pass:secret -provider legacy -provider default
 *   ssh-keygen -q -t ed25519 -N '' -C '' -f openssh.pem
 */
const forms: unknown = JSON.parse(readFileSync(new URL('../vectors/private-keys.json', import.meta.url), 'utf8'))
const pem = (form: string): string => {
  const text: unknown = typeof forms === 'object' && forms !== null ? Reflect.get(forms, form) : undefined
  assert.ok(typeof text === 'string', form)
  return text
}
const derOf = (text: string): Buffer => Buffer.from(text.replaceAll(/-----.*-----|\s/g, ''), 'base64')
const key = createPrivateKey(pem('pkcs8'))

/** What is reported for this input; never its secret. */
function refuse(input: string | Uint8Array, passphrase?: string): CertificateError {
  try {
    parsePrivateKey(input, passphrase)
  } catch (error) {
    assert.ok(error instanceof CertificateError)
    const text = typeof input === 'string' ? input : Buffer.from(input).toString('latin1')
    const shown = inspect(error, { depth: 9, showHidden: true })
    for (const line of text.split(/\r?\n/)) {
      if (/^[A-Za-z0-9+/=]{20,}$/.test(line)) assert.ok(!shown.includes(line.slice(0, 20)), line)
    }
    return error
  }
  return assert.fail('expected a refusal')
}

const readable = [
  'pbe-sha1-3des',
  'pbe-sha1-2des',
  'pbes2-des3',
  'pbes2-aes128',
  'pbes2-aes256',
  'pbes2-aes256-sha1',
  'pbes2-aes256-sha512',
  'pbes2-camellia256',
  'pbes2-aria256',
  'scrypt',
  'older-des3',
  'older-aes128',
  'older-camellia256',
] as const

for (const form of readable) {
  test(`opens ${form} with its passphrase, and reports a wrong one`, () => {
    const text = pem(form)
    const inputs = form.startsWith('older') ? [text, Buffer.from(text)] : [text, Buffer.from(text), derOf(text)]
    for (const input of inputs) {
      assert.ok(parsePrivateKey(input, 'secret').equals(key))
      assert.equal(refuse(input, 'other').code, 'passphrase_wrong')
      assert.equal(refuse(input).code, 'passphrase_missing')
    }
  })
}

for (const [form, algorithm] of [
  ['pbe-md5-des', /MD5 and DES/],
  ['pbe-sha1-des', /SHA-1 and DES/],
  ['pbe-md5-rc2-64', /MD5 and RC2/],
  ['pbe-sha1-rc2-64', /SHA-1 and RC2/],
  ['pbe-sha1-rc2-128', /RC2 of 128/],
  ['pbe-sha1-rc2-40', /RC2 of 40/],
  ['pbe-sha1-rc4-128', /RC4/],
  ['pbes2-des', /des-cbc/],
  ['pbes2-rc2', /rc2-cbc/],
  ['pbes2-bf-cbc', /bf-cbc/],
  ['pbes2-cast5-cbc', /cast5-cbc/],
  ['pbes2-seed', /seed-cbc/],
  ['older-des', /DES-CBC/],
  ['older-seed', /SEED-CBC/],
] as const) {
  test(`reports that the encryption of ${form} is not supported, whatever the passphrase`, () => {
    const text = pem(form)
    const inputs = form.startsWith('older') ? [text] : [text, derOf(text)]
    for (const input of inputs) {
      for (const passphrase of ['secret', 'other', undefined]) {
        const { code, message } = refuse(input, passphrase)
        assert.equal(code, 'key_unsupported')
        assert.match(message, algorithm)
        assert.match(message, /openssl pkcs8 -topk8 -v2 aes256/)
      }
    }
  })
}

test('reads PKCS#8 version 2, as written by ring and rcgen, with and without attributes, in PEM, DER and encrypted', () => {
  for (const type of ['ed25519', 'P-256', 'RSA'] as const) {
    const { privateKey } = createPair(type)
    const inner = privateKey.export({ type: 'pkcs8', format: 'der' })
    for (const extras of [[tlv(0x81, Buffer.alloc(33))], [tlv(0xa0), tlv(0x81, Buffer.alloc(33))], []]) {
      const second = toSecondVersion(inner, extras)
      assert.ok(parsePrivateKey(second).equals(privateKey), type)
      assert.ok(parsePrivateKey(toPem('PRIVATE KEY', second)).equals(privateKey), type)
    }
  }
})

for (const [what, der, code, pattern] of [
  [
    'a future algorithm',
    pkcs8('2.16.840.1.101.3.4.3.17', tlv(0x04, Buffer.alloc(32))),
    'key_unsupported',
    /3\.4\.3\.17/,
  ],
  [
    'an unknown curve',
    pkcs8('1.2.840.10045.2.1', sequence(integer(1), tlv(0x04, Buffer.alloc(32))), objectIdentifier('1.2.3.4')),
    'key_unsupported',
    /curve 1\.2\.3\.4/,
  ],
  [
    'version 3',
    sequence(integer(2), sequence(objectIdentifier('1.3.101.112'), tlv(0x04, 'x'))),
    'key_malformed',
    /DER/,
  ],
  [
    'an Ed25519 key that is too short',
    pkcs8('1.3.101.112', tlv(0x04, Buffer.alloc(31))),
    'key_malformed',
    /invalid private key/,
  ],
  [
    'an RSA key without numbers',
    pkcs8('1.2.840.113549.1.1.1', sequence(integer(0))),
    'key_malformed',
    /invalid private key/,
  ],
  [
    'an invalid EC key',
    pkcs8('1.2.840.10045.2.1', nullValue, objectIdentifier('1.2.840.10045.3.1.7')),
    'key_malformed',
    /invalid private key/,
  ],
] as const) {
  test(`reports the actual problem with ${what}`, () => {
    const error = refuse(der)
    assert.equal(error.code, code)
    assert.match(error.message, pattern)
  })
}

test('rejects an unknown PKCS#8 version, also in PEM', () => {
  const inner = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'der' })
  const third = sequence(integer(2), inner.subarray(inner.indexOf(Buffer.of(2, 1, 0)) + 3))
  assert.equal(refuse(toPem('PRIVATE KEY', third)).code, 'key_malformed')
})

test('names Node, and not the key, as the cause if it finds no fault in the key', () => {
  // RSASSA-PSS restricted to a hash that OpenSSL does not support.
  const hash = tlv(0xa0, sequence(objectIdentifier('1.2.3.4'), nullValue))
  const error = refuse(pkcs8('1.2.840.113549.1.1.10', pkcs1(), sequence(hash)))
  assert.equal(error.code, 'key_unsupported')
  assert.match(error.message, /cannot read/)
})

test('reports an unsupported key derivation of an encrypted key', () => {
  const aes = sequence(objectIdentifier('2.16.840.1.101.3.4.1.42'), tlv(0x04, Buffer.alloc(16)))
  const salt = tlv(0x04, Buffer.alloc(16))
  for (const [kdf, pattern] of [
    [
      sequence(objectIdentifier('1.3.6.1.4.1.11591.4.11'), sequence(salt, integer(2 ** 22), integer(8), integer(1))),
      /scrypt with N=4194304/,
    ],
    [
      sequence(
        objectIdentifier('1.2.840.113549.1.5.12'),
        sequence(salt, integer(1000), sequence(objectIdentifier('1.2.3.4'), nullValue)),
      ),
      /PBKDF2 with 1\.2\.3\.4/,
    ],
    [sequence(objectIdentifier('1.2.3.4'), sequence(salt)), /key derivation 1\.2\.3\.4/],
  ] as const) {
    const error = refuse(encrypted(sequence(objectIdentifier('1.2.840.113549.1.5.13'), sequence(kdf, aes))), 'secret')
    assert.equal(error.code, 'key_unsupported')
    assert.match(error.message, pattern)
  }
  assert.equal(refuse(encrypted(sequence(objectIdentifier('1.2.3.4'))), 'secret').code, 'key_unsupported')
})

test('names the unknown cipher of an encrypted key', () => {
  const kdf = sequence(objectIdentifier('1.2.840.113549.1.5.12'), sequence(tlv(0x04, Buffer.alloc(8)), integer(1)))
  const cipher = sequence(objectIdentifier('1.2.3.4'), tlv(0x04, Buffer.alloc(16)))
  const { code, message } = refuse(
    encrypted(sequence(objectIdentifier('1.2.840.113549.1.5.13'), sequence(kdf, cipher))),
    'secret',
  )
  assert.equal(code, 'key_unsupported')
  assert.match(message, /cipher 1\.2\.3\.4/)
})

test('reports the unknown algorithm of an encrypted key if the passphrase is right', () => {
  // An Ed448 key changed to an unknown algorithm by its last arc, which keeps the structure.
  const { privateKey } = generateKeyPairSync('ed25519')
  const plain = privateKey.export({ type: 'pkcs8', format: 'der' })
  plain.writeUInt8(0x7f, plain.indexOf(Buffer.from('2b6570', 'hex')) + 2)
  const error = refuse(encryptWith('secret', plain), 'secret')
  assert.equal(error.code, 'key_unsupported')
  assert.match(error.message, /1\.3\.101\.127/)
  assert.equal(refuse(encryptWith('secret', plain), 'other').code, 'passphrase_wrong')
})

test('opens an encrypted PKCS#8 version 2 key with its passphrase', () => {
  const { privateKey } = generateKeyPairSync('ed25519')
  const second = toSecondVersion(privateKey.export({ type: 'pkcs8', format: 'der' }), [tlv(0x81, Buffer.alloc(33))])
  assert.ok(parsePrivateKey(encryptWith('secret', second), 'secret').equals(privateKey))
})

for (const [what, input, code, pattern] of [
  ['an OpenSSH key', pem('openssh'), 'key_unsupported', /ssh-keygen -p -m PKCS8/],
  ['a PuTTY key', 'PuTTY-User-Key-File-2: ssh-rsa\nEncryption: none\n', 'key_malformed', /PuTTY.*ssh-keygen/],
  ['an OpenSSH public key', 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA', 'key_malformed', /OpenSSH public key/],
  ['a public key', toPem('PUBLIC KEY', spki()), 'key_malformed', /a public key, and no private key/],
  ['a public key in DER', spki(), 'key_malformed', /a public key \(DER\)/],
  ['a certificate', toPem('CERTIFICATE', Buffer.alloc(99)), 'key_malformed', /a certificate, and no private key/],
  ['a request', toPem('CERTIFICATE REQUEST', Buffer.alloc(99)), 'key_malformed', /signing request, and no private key/],
  ['DSA', toPem('DSA PRIVATE KEY', Buffer.alloc(99)), 'key_unsupported', /DSA PRIVATE KEY/],
  ['SEC 1 in DER', derOf(pem('sec1')), 'key_malformed', /SEC 1, DER.*openssl pkcs8 -topk8/],
  ['PKCS#1 in DER', pkcs1(), 'key_malformed', /PKCS#1, DER.*openssl pkcs8 -topk8/],
  ['a JKS store', Buffer.from('feedfeed00000002', 'hex'), 'key_store_unsupported', /keytool -importkeystore .*JKS/],
  ['a JCEKS store', Buffer.from('cececece00000002', 'hex'), 'key_store_unsupported', /keytool -importkeystore .*JCEKS/],
  ['a JWK', '{"kty":"EC"}', 'key_malformed', /JSON/],
  ['base64 alone', derOf(pem('pkcs8')).toString('base64'), 'key_malformed', /base64 without the lines/],
  ['base64-encoded PEM', Buffer.from(pem('pkcs8')).toString('base64'), 'key_malformed', /Kubernetes Secret/],
  ['two keys', pem('pkcs8') + pem('sec1'), 'key_malformed', /2 private keys/],
  ['an encrypted key without its cipher', pem('older-aes128').replace(/^DEK.*\n/m, ''), 'key_malformed', /DEK-Info/],
  ['line breaks as two characters', pem('pkcs8').replaceAll('\n', '\\n'), 'key_malformed', /two characters \\n/],
  ['an indented key', pem('pkcs8').replaceAll(/^/gm, '  '), 'key_malformed', /line 1: found 'BEGIN PRIVATE KEY'/],
  ['UTF-16', Buffer.from(`\ufeff${pem('pkcs8')}`, 'utf16le'), 'key_malformed', /UTF-16/],
  ['half a key', pem('pkcs8').slice(0, 100), 'key_malformed', /truncated/],
  ['a key without its last byte', derOf(pem('pkcs8')).subarray(0, -1), 'key_malformed', /invalid or truncated/],
  [
    'a SEC 1 key without its last byte',
    toPem('EC PRIVATE KEY', derOf(pem('sec1')).subarray(0, -1)),
    'key_malformed',
    /invalid or truncated/,
  ],
  ['text', 'no key', 'key_malformed', /no PEM/],
  ['nothing', '', 'key_malformed', /no PEM/],
] as const) {
  test(`reports that it found ${what} instead of a key`, () => {
    const error = refuse(input)
    assert.equal(error.code, code)
    assert.match(error.message, pattern)
  })
}

test('reads a key among certificates, parameters and other text, after a byte order mark and with any line endings', () => {
  const parameters = toPem('EC PARAMETERS', objectIdentifier('1.2.840.10045.3.1.7'))
  const text = `\ufeffBag Attributes\n    friendlyName: 1\n${parameters}${pem('sec1')}${toPem('CERTIFICATE', Buffer.alloc(99))}`
  for (const input of [text, text.replaceAll('\n', '\r\n'), text.replaceAll('\n', '\r'), Buffer.from(text)]) {
    assert.ok(parsePrivateKey(input).equals(key))
  }
  assert.ok(parsePrivateKey(pem('explicit')).asymmetricKeyType === 'ec')
})
