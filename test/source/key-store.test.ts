import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { CertificateError } from '../../packages/spiffe/src/errors.ts'
import { isKeyStore } from '../../packages/spiffe/src/source/key-store/is-key-store.ts'
import { decodeKeyStore } from '../../packages/spiffe/src/source/key-store/key-store.ts'
import { entity, issueAuthority, issueLeaf } from '../certificate/issue.ts'

const folder = fileURLToPath(new URL('../vectors/key-stores/', import.meta.url))
const read = (name: string): Buffer => readFileSync(join(folder, name))
const certificate = (name: string): Buffer => new X509Certificate(read(`${name}.pem`)).raw

const passphrase = 'changeit'
const unicode = 'pässwörd €'

const keyStores: readonly (readonly [file: string, passphrase: string | undefined])[] = [
  ['openssl.p12', passphrase],
  ['openssl-legacy.p12', passphrase],
  ['openssl-aes-128.p12', passphrase],
  ['openssl-unencrypted.p12', passphrase],
  ['openssl-unprotected.p12', undefined],
  ['openssl-empty.p12', ''],
  ['openssl-unicode.p12', unicode],
  ['openssl-unicode-legacy.p12', unicode],
  ['keytool.p12', passphrase],
  ['keytool-legacy.p12', passphrase],
  ['keytool-mixed.p12', passphrase],
]

for (const [file, secret] of keyStores) {
  test(`reads the key and its chain without the root from ${file}`, () => {
    const store = decodeKeyStore(read(file), secret)
    assert.deepEqual(store.certificates, [certificate('leaf'), certificate('intermediate')])
    assertBelongs(store.key, store.certificates[0])
  })
}

test('reads an RSA key with its self-signed certificate', () => {
  const store = decodeKeyStore(read('keytool-rsa.p12'), passphrase)
  assert.equal(store.certificates.length, 1)
  assertBelongs(store.key, store.certificates[0])
})

const trustStores: readonly (readonly [file: string, passphrase: string | undefined, certificates: string[]])[] = [
  ['openssl-trust.p12', passphrase, ['root', 'intermediate']],
  ['keytool-trust.p12', passphrase, ['root', 'other']],
  ['keytool-trust-legacy.p12', passphrase, ['root']],
  ['keytool-trust-unprotected.p12', undefined, ['root']],
]

for (const [file, secret, names] of trustStores) {
  test(`reads every certificate from ${file}`, () => {
    const store = decodeKeyStore(read(file), secret)
    assert.equal(store.key, undefined)
    assert.deepEqual(store.certificates.map(toHex).toSorted(), names.map(certificate).map(toHex).toSorted())
  })
}

test('every store of the vectors is tested', () => {
  const alone = ['keytool-rsa.p12', 'openssl-nomac.p12', 'openssl-rc2-128.p12']
  const tested = [...keyStores, ...trustStores].map(([file]) => file)
  const files = readdirSync(folder).filter((file) => file.endsWith('.p12'))
  assert.deepEqual([...tested, ...alone].toSorted(), files.toSorted())
})

const protectedStores = [...keyStores, ...trustStores].filter(([, secret]) => secret !== undefined)

for (const [file, secret] of protectedStores) {
  test(`rejects ${file} with a wrong passphrase and without one`, () => {
    assert.throws(() => decodeKeyStore(read(file), `${secret}x`), hasCode('passphrase_wrong'))
    assert.throws(() => decodeKeyStore(read(file), undefined), hasCode('passphrase_missing'))
  })
}

test('an empty passphrase does not open a store with another one', () => {
  assert.throws(() => decodeKeyStore(read('openssl.p12'), ''), hasCode('passphrase_wrong'))
})

test('rejects a store without a MAC if there is a passphrase, because anyone could have written it', () => {
  for (const file of ['openssl-unprotected.p12', 'keytool-trust-unprotected.p12']) {
    for (const secret of [passphrase, '']) {
      assert.throws(() => decodeKeyStore(read(file), secret), hasCode('key_store_malformed'))
    }
  }
})

test('decrypts nothing in a store without a MAC', () => {
  for (const secret of [passphrase, undefined]) {
    assert.throws(() => decodeKeyStore(read('openssl-nomac.p12'), secret), hasCode('key_store_malformed'))
  }
})

test('names the unsupported algorithm in openssl-rc2-128.p12', () => {
  assert.throws(() => decodeKeyStore(read('openssl-rc2-128.p12'), passphrase), {
    code: 'key_store_unsupported',
    value: '1.2.840.113549.1.12.1.5',
  })
})

test('distinguishes a store from certificates and keys, even when truncated', () => {
  for (const [file] of [...keyStores, ...trustStores]) {
    assert.equal(isKeyStore(read(file)), true, file)
    assert.equal(isKeyStore(read(file).subarray(0, 100)), true, file)
  }
  const { key } = decodeKeyStore(read('openssl.p12'), passphrase)
  const rsa = decodeKeyStore(read('keytool-rsa.p12'), passphrase).key
  const others = [
    Buffer.alloc(0),
    Buffer.from([0x30]),
    Buffer.from('020103', 'hex'),
    read('leaf.pem'),
    certificate('leaf'),
    toKey(key).export({ type: 'pkcs8', format: 'der' }),
    toKey(key).export({ type: 'sec1', format: 'der' }),
    toKey(rsa).export({ type: 'pkcs8', format: 'der' }),
    toKey(rsa).export({ type: 'pkcs1', format: 'der' }),
  ]
  for (const bytes of others) assert.equal(isKeyStore(bytes), false, bytes.subarray(0, 20).toString('hex'))
})

const root = entity('root', 'P-256', 1)
const intermediate = entity('intermediate', 'P-256', 2)
const leaf = entity('leaf', 'P-256', 3)
const rootDer = issueAuthority(root)
const intermediateDer = issueAuthority(intermediate, { by: root })
const leafDer = issueLeaf(leaf, { by: intermediate })

const isMissing = (program: string, ...parameters: readonly string[]): string | false =>
  spawnSync(program, parameters).status === 0 ? false : `no ${program} on the PATH`
const noOpenssl = isMissing('openssl', 'version')
const noLegacy =
  noOpenssl || (isMissing('openssl', 'list', '-providers', '-provider', 'legacy') && 'no legacy provider')
const noKeytool = noOpenssl || isMissing('keytool', '-help')

const opensslWays: readonly (readonly [name: string, skip: string | false, options: readonly string[]])[] = [
  ['unchanged', noOpenssl, []],
  ['with -legacy', noLegacy, ['-legacy']],
  ['with 3DES and SHA-1', noOpenssl, ['-keypbe', 'DES-EDE3-CBC', '-certpbe', 'PBE-SHA1-3DES', '-macalg', 'sha1']],
  ['with AES-192 and SHA-384', noOpenssl, ['-keypbe', 'AES-192-CBC', '-certpbe', 'AES-192-CBC', '-macalg', 'sha384']],
  ['without encryption and MAC', noOpenssl, ['-keypbe', 'NONE', '-certpbe', 'NONE', '-nomac']],
]

for (const [name, skip, options] of opensslWays) {
  test(`reads ${name} as the installed openssl writes it`, { skip }, () => {
    inFolder((path) => {
      exportByOpenssl(path, options)
      assertChain(readFileSync(join(path, 'store.p12')), options.includes('-nomac') ? undefined : passphrase)
    })
  })
}

const keytoolWays: readonly (readonly [name: string, options: readonly string[]])[] = [
  ['unchanged', []],
  ['in its legacy form', ['-J-Dkeystore.pkcs12.legacy']],
]

for (const [name, options] of keytoolWays) {
  test(`reads ${name} as the installed keytool writes it`, { skip: noKeytool }, () => {
    inFolder((path) => {
      exportByOpenssl(path, [])
      const to = ['-destkeystore', join(path, 'other.p12'), '-deststoretype', 'PKCS12', '-deststorepass', passphrase]
      const from = ['-srckeystore', join(path, 'store.p12'), '-srcstorepass', passphrase]
      run('keytool', '-importkeystore', '-noprompt', ...from, ...to, ...options)
      assertChain(readFileSync(join(path, 'other.p12')), passphrase)
    })
  })
}

test('reads a trust store that the installed keytool writes without a passphrase', { skip: noKeytool }, () => {
  inFolder((path) => {
    writeFileSync(join(path, 'root.pem'), toPem('CERTIFICATE', rootDer))
    const store = ['-keystore', join(path, 'trust.p12'), '-storetype', 'PKCS12', '-storepass', passphrase]
    const bare = ['-J-Dkeystore.pkcs12.certProtectionAlgorithm=NONE', '-J-Dkeystore.pkcs12.macAlgorithm=NONE']
    run('keytool', '-importcert', '-noprompt', '-alias', 'root', '-file', join(path, 'root.pem'), ...store, ...bare)
    const { key, certificates } = decodeKeyStore(readFileSync(join(path, 'trust.p12')), undefined)
    assert.deepEqual({ key, certificates }, { key: undefined, certificates: [rootDer] })
  })
})

test('reads an RSA key and its certificate byte for byte like openssl', { skip: noOpenssl }, () => {
  const from = ['-in', join(folder, 'keytool-rsa.p12'), '-passin', `pass:${passphrase}`]
  const dump = execFileSync('openssl', ['pkcs12', ...from, '-nodes'], { encoding: 'utf8', stdio: 'pipe' })
  const [key, certificate] = ['PRIVATE KEY', 'CERTIFICATE'].map((label) => {
    const [, body] = dump.split(new RegExp(`-----(?:BEGIN|END) ${label}-----`))
    return Buffer.from(body ?? '', 'base64')
  })
  assert.deepEqual(decodeKeyStore(read('keytool-rsa.p12'), passphrase), { key, certificates: [certificate] })
})

function exportByOpenssl(path: string, options: readonly string[]): void {
  const pem = leaf.keys.privateKey.export({ type: 'pkcs8', format: 'pem' })
  const chain = [leafDer, rootDer, intermediateDer].map((der) => toPem('CERTIFICATE', der))
  writeFileSync(join(path, 'all.pem'), [pem, ...chain].join(''))
  const files = ['-in', join(path, 'all.pem'), '-out', join(path, 'store.p12')]
  run('openssl', 'pkcs12', '-export', ...files, '-passout', `pass:${passphrase}`, ...options)
}

function assertChain(store: Buffer, secret: string | undefined): void {
  const { key, certificates } = decodeKeyStore(store, secret)
  assert.deepEqual(certificates, [leafDer, intermediateDer])
  assertBelongs(key, leafDer)
}

function assertBelongs(key: Buffer | undefined, der: Buffer | undefined): void {
  assert.ok(der !== undefined && new X509Certificate(der).checkPrivateKey(toKey(key)))
}

function toKey(key: Buffer | undefined): KeyObject {
  assert.ok(key !== undefined)
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' })
}

function toPem(label: string, der: Buffer): string {
  const body = der.toString('base64').replaceAll(/.{64}/g, '$&\n')
  return `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`
}

const toHex = (bytes: Buffer): string => bytes.toString('hex')

function hasCode(code: CertificateError['code']): (error: unknown) => boolean {
  return (error) => error instanceof CertificateError && error.code === code
}

function run(program: string, ...parameters: readonly string[]): void {
  execFileSync(program, parameters, { stdio: 'pipe' })
}

function inFolder(use: (path: string) => void): void {
  const path = mkdtempSync(join(tmpdir(), 'key-store-'))
  try {
    use(path)
  } finally {
    rmSync(path, { recursive: true })
  }
}
