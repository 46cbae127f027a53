import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { describeFormat, describeJavaStore } from '../../packages/spiffe/src/certificate/file-format.ts'
import { parseCertificates } from '../../packages/spiffe/src/certificate/pem.ts'
import { bitString, integer, name, objectIdentifier, sequence, tlv } from './encode.ts'
import { encodeCertificate } from './issue.ts'
import { encodeCrl } from './revocation-list.ts'

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const curve = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const locked = { cipher: 'aes-256-cbc', passphrase: 'secret' } as const
const store = readFileSync(new URL('../vectors/key-stores/openssl.p12', import.meta.url))
const request = sequence(
  sequence(integer(0), name('CN=request'), publicKey.export({ type: 'spki', format: 'der' }), tlv(0xa0)),
  sequence(objectIdentifier('1.2.840.113549.1.1.11')),
  bitString(Buffer.alloc(256)),
)
const pkcs7 = sequence(objectIdentifier('1.2.840.113549.1.7.2'), tlv(0xa0, sequence(integer(1))))

const formats: readonly (readonly [what: RegExp, bytes: Buffer])[] = [
  [/^a certificate \(DER\)/, encodeCertificate()],
  [/^a certificate revocation list/, encodeCrl()],
  [/^a certificate revocation list/, encodeCrl({ version: Buffer.alloc(0) })],
  [/^a certificate signing request/, request],
  [/^PKCS#7; .*openssl pkcs7/, pkcs7],
  [/^a PKCS#12 store; .*keyStore/, store],
  [/^a private key \(PKCS#8/, privateKey.export({ type: 'pkcs8', format: 'der' })],
  [/^an RSA private key \(PKCS#1/, privateKey.export({ type: 'pkcs1', format: 'der' })],
  [/^an EC private key \(SEC 1/, curve.privateKey.export({ type: 'sec1', format: 'der' })],
  [/^an encrypted private key/, privateKey.export({ type: 'pkcs8', format: 'der', ...locked })],
  [/^a public key \(DER/, publicKey.export({ type: 'spki', format: 'der' })],
  [/^an RSA public key/, publicKey.export({ type: 'pkcs1', format: 'der' })],
  [/invalid or truncated/, encodeCertificate().subarray(0, -1)],
  [/invalid or truncated/, Buffer.from([0x30, 0])],
  [/PuTTY/, Buffer.from('PuTTY-User-Key-File-3: ssh-ed25519')],
  [/OpenSSH/, Buffer.from('ecdsa-sha2-nistp256 AAAA')],
  [/SSH2/, Buffer.from('---- BEGIN SSH2 PUBLIC KEY ----')],
  [/Kubernetes/, Buffer.from(Buffer.from('-----BEGIN CERTIFICATE-----').toString('base64'))],
  [/base64 without/, Buffer.from(encodeCertificate().toString('base64'))],
  [/JSON/, Buffer.from('\ufeff { "keys": [] }')],
]

for (const [what, bytes] of formats) {
  test(`recognizes ${what.source}`, () => {
    assert.match(describeFormat(bytes) ?? '', what)
  })
}

test('recognizes nothing in other text, other bytes, other DER or empty input', () => {
  for (const bytes of [Buffer.from('text'), Buffer.of(1, 2, 3, 4), sequence(tlv(0x0c, 'x')), Buffer.alloc(0)]) {
    assert.equal(describeFormat(bytes), undefined)
  }
})

test('names the actual format of DER that is not a certificate', () => {
  for (const [what, bytes] of formats) {
    if (bytes[0] !== 0x30 || what.source.startsWith('^a certificate \\(')) continue
    assert.throws(() => parseCertificates(bytes), { message: new RegExp(what.source.replace('^', '')) })
  }
})

test('suggests the command that converts a Java key store, with a shell-quoted path', () => {
  const jks = Buffer.from('feedfeed00000002', 'hex')
  assert.match(
    describeJavaStore(jks, '/etc/app/store.jks') ?? '',
    /keytool -importkeystore -srckeystore \/etc\/app\/store\.jks -srcstoretype JKS -destkeystore \/etc\/app\/store\.p12 -deststoretype PKCS12$/,
  )
  assert.match(describeJavaStore(jks, "/it's here/a.keystore") ?? '', /'\/it'\\''s here\/a\.p12'/)
  assert.match(describeJavaStore(jks) ?? '', /-srckeystore store\.jks/)
  assert.equal(describeJavaStore(store), undefined)
})

const skip = spawnSync('keytool', ['-help']).status === 0 ? false : 'no keytool on the PATH'

test('the suggested command converts a keytool store', { skip }, (context) => {
  const folder = mkdtempSync(join(tmpdir(), "countersign-it's a store-"))
  context.after(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'trust.jks')
  const secret = ['-storepass', 'changeit', '-keypass', 'changeit']
  const generate = [
    '-genkeypair',
    '-alias',
    'a',
    '-keyalg',
    'EC',
    '-dname',
    'CN=a',
    '-storetype',
    'JKS',
    '-keystore',
    path,
  ]
  execFileSync('keytool', [...generate, ...secret], { stdio: 'ignore' })
  const [, command = ''] = /(keytool .*)$/.exec(describeJavaStore(readFileSync(path), path) ?? '') ?? []
  execFileSync('sh', ['-c', `${command} -srcstorepass changeit -deststorepass changeit`], { stdio: 'ignore' })
  assert.match(describeFormat(readFileSync(join(folder, 'trust.p12'))) ?? '', /PKCS#12/)
})
