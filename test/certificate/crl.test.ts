import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Crl, decodeCrl } from '../../packages/spiffe/src/certificate/crl.ts'
import { decodeCertificate } from '../../packages/spiffe/src/certificate/decode.ts'
import { verifyCrlSignature } from '../../packages/spiffe/src/certificate/verify-crl.ts'
import { CertificateError, type CertificateErrorCode } from '../../packages/spiffe/src/errors.ts'
import {
  authorityKeyId,
  extension,
  hex,
  integer,
  keyUsage,
  name,
  nullValue,
  objectIdentifier,
  sequence,
  time,
  tlv,
} from './encode.ts'
import { type Entity, entity, issueAuthority, keyPair, now, signer } from './issue.ts'
import { authority, root, rootCertificate } from './paths.ts'
import { type CrlFields, encodeCrl, entry } from './revocation-list.ts'

function listOf(by: Entity, fields: Partial<CrlFields> = {}): Crl {
  return decodeCrl(encodeCrl({ issuer: by.name, signer: signer(by.keys.privateKey), ...fields }))
}

function refuses(what: string, der: Uint8Array, code: CertificateErrorCode): void {
  assert.throws(
    () => decodeCrl(der),
    (error) => error instanceof CertificateError && error.code === code,
    what,
  )
}

const cRLNumber = (critical = false): Buffer => extension('2.5.29.20', integer(7), critical)
const reasonCode = (critical = false): Buffer => extension('2.5.29.21', tlv(0x0a, hex('01')), critical)

test('reads issuer, dates, key identifier and revoked serial numbers', () => {
  const entries = [entry(integer(0x1001)), entry(integer(0xff), reasonCode())]
  const crl = decodeCrl(
    encodeCrl({ issuer: name('O=Test', 'CN=root'), entries, extensions: [authorityKeyId('0a0b'), cRLNumber()] }),
  )
  assert.equal(crl.issuer.text, 'CN=root,O=Test')
  assert.equal(crl.thisUpdate, now - 3_600_000)
  assert.equal(crl.nextUpdate, now + 3_600_000)
  assert.equal(crl.authorityKeyId, '0a0b')
  assert.deepEqual([...crl.revoked], ['1001', 'ff'])
  assert.match(crl.sha256, /^[0-9a-f]{64}$/)
})

test('reads version 1 lists, both encodings of an empty list, and dates after 2050', () => {
  const first = decodeCrl(encodeCrl({ version: Buffer.alloc(0), entries: [entry(integer(5))] }))
  assert.deepEqual([...first.revoked], ['05'])
  assert.equal('authorityKeyId' in first, false)
  assert.equal(decodeCrl(encodeCrl({ entries: [] })).revoked.size, 0)
  const end = Date.UTC(2060, 0, 1)
  const late = decodeCrl(encodeCrl({ nextUpdate: time(end) }))
  assert.equal(late.revoked.size, 0)
  assert.equal(late.nextUpdate, end)
})

test('reads a critical authority key identifier, with and without a key id', () => {
  const critical = extension('2.5.29.35', sequence(tlv(0x80, hex('0c'))), true)
  assert.equal(decodeCrl(encodeCrl({ extensions: [critical] })).authorityKeyId, '0c')
  const bare = extension('2.5.29.35', sequence())
  assert.equal(decodeCrl(encodeCrl({ extensions: [bare] })).authorityKeyId, undefined)
})

test('formats serial numbers as certificates do, whatever their padding', () => {
  for (const [listed, certified] of [
    ['020200ff', '020200ff'],
    ['0201ff', '0202ffff'],
    ['0203ffff80', '020180'],
    ['020101', '02020001'],
    ['020100', '020100'],
    ['0209008000000000000001', '0209008000000000000001'],
  ] as const) {
    const crl = decodeCrl(encodeCrl({ entries: [entry(hex(listed))] }))
    const { serialNumber } = decodeCertificate(issueAuthority(root, { fields: { serialNumber: hex(certified) } }))
    assert.ok(crl.revoked.has(serialNumber), `${listed} in the list, ${certified} in the certificate`)
  }
})

test('copies the input bytes', () => {
  const der = encodeCrl({ issuer: root.name, signer: signer(root.keys.privateKey) })
  const crl = decodeCrl(der)
  der.fill(0)
  assert.equal(verifyCrlSignature(crl, rootCertificate), 'valid')
})

test('rejects input that is not a revocation list', () => {
  const crl = encodeCrl({ entries: [entry(integer(1))] })
  const cases: readonly (readonly [string, Uint8Array])[] = [
    ['no bytes', new Uint8Array()],
    ['junk', Buffer.from('junk')],
    ['a certificate', issueAuthority(root)],
    ['a byte too many', Buffer.concat([crl, hex('00')])],
    ['a byte too few', crl.subarray(0, -1)],
    ['version 1 by its number', encodeCrl({ version: integer(0) })],
    ['version 3', encodeCrl({ version: integer(2) })],
    ['another algorithm inside', encodeCrl({ signedAlgorithm: sequence(objectIdentifier('1.2.840.10045.4.3.3')) })],
    ['an invalid time', encodeCrl({ thisUpdate: nullValue })],
    ['a day that does not exist', encodeCrl({ nextUpdate: tlv(0x17, '260231000000Z') })],
    ['extensions in version 1', encodeCrl({ version: Buffer.alloc(0), extensions: [cRLNumber()] })],
    ['no extension in the list of them', encodeCrl({ extensions: [] })],
    ['a duplicate extension', encodeCrl({ extensions: [cRLNumber(), cRLNumber()] })],
    ['an unknown field', encodeCrl({ rest: tlv(0xa1, nullValue) })],
    ['an entry without a date', encodeCrl({ entries: [sequence(integer(1))] })],
    ['an entry that is not a sequence', encodeCrl({ entries: [integer(1)] })],
    ['an entry with trailing data', encodeCrl({ entries: [sequence(integer(1), time(now), nullValue)] })],
    [
      'an entry with extensions in version 1',
      encodeCrl({ version: Buffer.alloc(0), entries: [entry(integer(1), reasonCode())] }),
    ],
    ['an entry with a duplicate extension', encodeCrl({ entries: [entry(integer(1), reasonCode(), reasonCode())] })],
  ]
  for (const [what, der] of cases) refuses(what, der, 'crl_malformed')
})

test('rejects a list that does not cover all certificates of its issuer', () => {
  const cases: readonly (readonly [string, Partial<CrlFields>])[] = [
    ['no nextUpdate', { nextUpdate: Buffer.alloc(0) }],
    ['a delta', { extensions: [extension('2.5.29.27', integer(1), true)] }],
    ['a delta with a non-critical indicator', { extensions: [extension('2.5.29.27', integer(1))] }],
    ['a distribution point', { extensions: [extension('2.5.29.28', sequence(), true)] }],
    ['a distribution point that is not critical', { extensions: [extension('2.5.29.28', sequence())] }],
    ['an unknown critical extension', { extensions: [extension('1.2.3.4', nullValue, true)] }],
    ['a critical number', { extensions: [cRLNumber(true)] }],
    ['an entry of another issuer', { entries: [entry(integer(1), extension('2.5.29.29', sequence()))] }],
    ['an entry with a critical extension', { entries: [entry(integer(1), reasonCode(true))] }],
  ]
  for (const [what, fields] of cases) refuses(what, encodeCrl(fields), 'crl_unsupported')
})

test('rejects a list signed with a weak or unsupported algorithm', () => {
  const { privateKey } = keyPair('RSA-2048')
  refuses('SHA-1', encodeCrl({ signer: signer(privateKey, 'sha1') }), 'crl_unsupported')
  refuses('Ed448', encodeCrl({ signer: signer(keyPair('Ed448').privateKey) }), 'crl_unsupported')
})

test('reads a list of nearly 1 MiB and rejects a larger one before reading it', () => {
  const entries = Array.from({ length: 47_000 }, (_, index) => entry(integer(0x1000 + index)))
  const der = encodeCrl({ entries })
  assert.ok(der.length > 1_000_000 && der.length <= 1024 * 1024)
  assert.equal(decodeCrl(der).revoked.size, 47_000)
  refuses('1 MiB and a byte', Buffer.alloc(1024 * 1024 + 1), 'crl_unsupported')
})

test('throws only its own errors for mutated lists', () => {
  const der = encodeCrl({ entries: [entry(integer(1), reasonCode())], extensions: [authorityKeyId('0a')] })
  for (let index = 0; index < der.length; index += 1) {
    const damaged = Buffer.from(der)
    damaged.writeUInt8(damaged.readUInt8(index) ^ 0x21, index)
    for (const bytes of [damaged, der.subarray(0, index)]) {
      try {
        decodeCrl(bytes)
      } catch (error) {
        assert.ok(error instanceof CertificateError && error.code.startsWith('crl_'), `byte ${index}: ${String(error)}`)
      }
    }
  }
})

test('accepts a list as valid only for its issuer: by name, key and right to sign lists', () => {
  const impostor = { ...entity('root', 'P-256', 3), name: root.name }
  const crl = listOf(root)
  assert.equal(verifyCrlSignature(crl, rootCertificate), 'valid')
  assert.equal(verifyCrlSignature(listOf(root, { issuer: name('O=Other') }), rootCertificate), 'foreign')
  assert.equal(verifyCrlSignature(listOf(impostor), rootCertificate), 'foreign')
  assert.equal(verifyCrlSignature(crl, authority(impostor)), 'foreign')
  const barred = authority(root, { extensions: { keyUsage: keyUsage(5) } })
  assert.equal(verifyCrlSignature(crl, barred), 'not_entitled')
  assert.equal(verifyCrlSignature(crl, authority(root, { extensions: { keyUsage: null } })), 'valid')
})

test('never accepts the signature of a weak key', () => {
  for (const type of ['RSA-1024', 'P-224'] as const) {
    const weak = entity('weak', type)
    assert.equal(verifyCrlSignature(listOf(weak), authority(weak)), 'foreign')
  }
})

test('verifies lists signed with RSA, ECDSA and Ed25519', () => {
  for (const type of ['RSA-2048', 'P-384', 'Ed25519'] as const) {
    const strong = entity('strong', type)
    assert.equal(verifyCrlSignature(listOf(strong), authority(strong)), 'valid')
  }
})

const openssl = spawnSync('openssl', ['version'], { encoding: 'utf8' })
const skip = openssl.status === 0 ? false : 'no openssl on the PATH'

for (const version of [1, 2]) {
  test(`reads and verifies what \`openssl ca -gencrl\` writes in version ${version}`, { skip }, (context) => {
    const folder = mkdtempSync(join(tmpdir(), 'countersign-crl-'))
    context.after(() => rmSync(folder, { recursive: true }))
    const run = (...args: readonly string[]): void => {
      execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
    }
    writeFileSync(join(folder, 'index.txt'), '')
    writeFileSync(join(folder, 'number'), '1000\n')
    writeFileSync(
      join(folder, 'ca.cnf'),
      [
        '[ca]\ndefault_ca = list',
        '[list]\ndatabase = index.txt\ncrlnumber = number\ndefault_md = sha256\ndefault_crl_days = 1',
        version === 2 ? 'crl_extensions = extensions' : '',
        '[extensions]\nauthorityKeyIdentifier = keyid',
        '[req]\ndistinguished_name = subject\nx509_extensions = authority\n[subject]\n[authority]',
        'basicConstraints = critical, CA:true\nkeyUsage = critical, keyCertSign, cRLSign\nsubjectKeyIdentifier = hash',
      ].join('\n'),
    )
    const ca = ['-config', 'ca.cnf', '-cert', 'ca.pem', '-keyfile', 'ca.key']
    run(
      'req',
      '-x509',
      '-new',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-config',
      'ca.cnf',
      '-subj',
      '/O=Test/CN=root',
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
    )
    run(
      'req',
      '-x509',
      '-new',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-config',
      'ca.cnf',
      '-subj',
      '/O=Test/CN=stolen',
      '-set_serial',
      '0xC0FFEE',
      '-keyout',
      'stolen.key',
      '-out',
      'stolen.pem',
    )
    run('ca', ...ca, '-revoke', 'stolen.pem', ...(version === 2 ? ['-crl_reason', 'keyCompromise'] : []))
    run('ca', ...ca, '-gencrl', '-out', 'crl.pem')
    run('crl', '-in', 'crl.pem', '-outform', 'DER', '-out', 'crl.der')
    run('x509', '-in', 'ca.pem', '-outform', 'DER', '-out', 'ca.der')

    const crl = decodeCrl(readFileSync(join(folder, 'crl.der')))
    const issuer = decodeCertificate(readFileSync(join(folder, 'ca.der')))
    assert.deepEqual([...crl.revoked], ['c0ffee'])
    assert.equal(crl.nextUpdate - crl.thisUpdate, 86_400_000)
    assert.equal(crl.authorityKeyId, version === 2 ? issuer.subjectKeyId : undefined)
    assert.equal(verifyCrlSignature(crl, issuer), 'valid')
    assert.equal(verifyCrlSignature(crl, rootCertificate), 'foreign')
  })
}

test('names the format of input that is not a list', () => {
  for (const [bytes, found] of [
    [Buffer.from('-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n'), /found PEM; .*openssl crl -outform DER/],
    [rootCertificate.der, /found a certificate \(DER\)/],
    [encodeCrl().subarray(0, -1), /found DER that is invalid or truncated/],
  ] as const) {
    assert.throws(() => decodeCrl(bytes), { code: 'crl_malformed', message: found })
  }
})
