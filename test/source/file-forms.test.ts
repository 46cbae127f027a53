import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { CountersignError, createMaterial, fileSource, type FileSourceOptions, X509Bundle } from '@countersign/core'
import { authority, createFolder, optionsFor, spiffeId, writeFiles, writePrivate } from './files.ts'

const svid = await authority.issue(spiffeId)
const mark = '\ufeff'
const good = { key: svid.keyPem, cert: svid.certificatePem, bundles: { 'saas.example': authority.bundlePem } }
const document = JSON.stringify({
  keys: [{ kty: 'EC', use: 'x509-svid', x5c: [authority.certificateDer.toString('base64')] }],
})

// One parser for every option: what one accepts, all accept.
for (const [what, change] of [
  ['a byte order mark', (text: string) => `${mark}${text}`],
  ['Windows line endings', (text: string) => text.replaceAll('\n', '\r\n')],
  ['text before and after', (text: string) => `subject=CN = x\n${text}\ntext after it\n`],
  ['blanks at line ends', (text: string) => text.replaceAll('\n', ' \t\n')],
  ['no line break at the end', (text: string) => text.trimEnd()],
] as const) {
  test(`reads key, chain and bundle with ${what}, as text and as bytes`, () => {
    for (const wrap of [(text: string) => text, (text: string) => Buffer.from(text)]) {
      const [key, cert, bundle] = [good.key, good.cert, authority.bundlePem].map((text) => wrap(change(text)))
      assert.ok(key !== undefined && cert !== undefined && bundle !== undefined)
      for (const input of [
        { ...good, key },
        { ...good, cert },
        { ...good, bundles: { 'saas.example': bundle } },
      ]) {
        assert.equal(createMaterial(input).svid.serialNumber, svid.serialNumber)
      }
    }
  })
}

for (const [what, change] of [
  ['indented', (text: string) => text.replaceAll(/^/gm, '  ')],
  ['commented out', (text: string) => text.replaceAll(/^/gm, '#')],
  ['in UTF-16', (text: string) => Buffer.from(`${mark}${text}`, 'utf16le')],
  ['with DER after it', (text: string) => Buffer.concat([Buffer.from(text), authority.certificateDer])],
  ['with DER before it', (text: string) => Buffer.concat([authority.certificateDer, Buffer.from(text)])],
] as const) {
  test(`rejects key, chain and bundle ${what}`, () => {
    assert.throws(() => createMaterial({ ...good, key: change(good.key) }), { name: 'CertificateError' })
    assert.throws(() => createMaterial({ ...good, cert: change(good.cert) }), { name: 'CertificateError' })
    const bundles = { 'saas.example': change(authority.bundlePem) }
    assert.throws(() => createMaterial({ ...good, bundles }), { name: 'CertificateError' })
  })
}

test('reads a bundle document with a byte order mark', () => {
  for (const input of [`${mark}${document}`, Buffer.from(`${mark}${document}`)]) {
    assert.equal(X509Bundle.parse('saas.example', input).authorities.length, 1)
  }
})

const jks = Buffer.from('feedfeed0000000200000000', 'hex')

for (const option of ['key', 'cert', 'keyStore', 'bundles', 'ca'] as const) {
  test(`suggests the command that converts a Java key store given as ${option}, with its path`, async (context) => {
    const folder = createFolder(context)
    writeFiles(folder, svid)
    const path = join(folder, 'a store.jks')
    writePrivate(path, jks)
    const { key, cert, bundles } = optionsFor(folder)
    const options = {
      key: { key: path, cert, bundles },
      cert: { key, cert: path, bundles },
      keyStore: { keyStore: { path, passphrase: 'changeit' }, bundles },
      bundles: { key, cert, bundles: { 'saas.example': path } },
      ca: { key, cert, ca: path },
    }[option]
    const { code, message } = await findError(options)
    assert.equal(code, 'key_store_unsupported')
    assert.ok(message.includes(`keytool -importkeystore -srckeystore '${path}' -srcstoretype JKS`), message)
    assert.ok(message.includes(`-destkeystore '${join(folder, 'a store.p12')}'`), message)
  })
}

test('opens a key with a passphrase from a file with a byte order mark and line endings', async (context) => {
  for (const content of ['secret', `${mark}secret`, 'secret\r\n', `${mark}secret\n`]) {
    const options = writeLocked(context, content)
    const source = await fileSource(options)
    await source.close()
  }
})

test('reports a passphrase in UTF-16', async (context) => {
  const options = writeLocked(context, Buffer.from(`${mark}secret`, 'utf16le'))
  const { code, message } = await findError(options)
  assert.equal(code, 'passphrase_wrong')
  assert.match(message, /UTF-16/)
  assert.ok(!message.includes('secret'))
})

function writeLocked(context: TestContext, passphrase: string | Uint8Array): FileSourceOptions {
  const folder = createFolder(context)
  writeFiles(folder, svid)
  const options = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' } as const
  writePrivate(join(folder, 'tls.key'), createPrivateKey(svid.keyPem).export(options))
  writeFileSync(join(folder, 'passphrase'), passphrase, { mode: 0o600 })
  const { key, cert, bundles } = optionsFor(folder)
  return { key: { path: key, passphraseFile: join(folder, 'passphrase') }, cert, bundles }
}

async function findError(options: object): Promise<{ readonly code: string; readonly message: string }> {
  try {
    await Reflect.apply(fileSource, undefined, [options])
  } catch (error) {
    assert.ok(error instanceof CountersignError)
    return { code: String(error.code), message: error.message }
  }
  return assert.fail('expected an error')
}
