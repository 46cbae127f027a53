import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { CertificateError, type CertificateErrorCode, fileSource } from '@countersign/core'
import { awaitMaterial, createFolder, openSource, replaceFile, spiffeId, writePrivate } from './files.ts'

const stores = fileURLToPath(new URL('../vectors/key-stores', import.meta.url))
const passphrase = 'changeit'
const keyStore = { path: join(stores, 'openssl.p12'), passphrase }
const root = join(stores, 'root.pem')

function storeFile(name: string): { path: string; passphrase?: string } {
  const path = join(stores, `${name}.p12`)
  return name.endsWith('-unprotected') ? { path } : { path, passphrase }
}

function fails(options: object, code: CertificateErrorCode): Promise<void> {
  const opening: unknown = Reflect.apply(fileSource, undefined, [options])
  return assert.rejects(
    Promise.resolve(opening),
    (error) => error instanceof CertificateError && error.code === code,
    JSON.stringify(options),
  )
}

const keyStores = ['openssl', 'openssl-legacy', 'keytool', 'keytool-legacy', 'openssl-unprotected']

for (const name of keyStores) {
  test(`reads key and chain from the key store ${name}.p12, with the bundle in PEM`, async () => {
    await using source = await fileSource({ keyStore: storeFile(name), bundles: { 'saas.example': root } })
    assert.equal(source.current.svid.spiffeId.toString(), spiffeId)
  })
}

for (const name of ['keytool-trust', 'keytool-trust-legacy', 'keytool-trust-unprotected']) {
  test(`reads the authorities of the trust store ${name}.p12`, async () => {
    await using source = await fileSource({ keyStore, bundles: { 'saas.example': storeFile(name) } })
    assert.ok(source.current.bundles.has('saas.example'))
  })
}

test('accepts an unprotected trust store in a folder of bundles', async (context) => {
  const bundles = createFolder(context)
  copyFileSync(join(stores, 'keytool-trust-unprotected.p12'), join(bundles, 'saas.example.p12'))
  await using source = await fileSource({ keyStore, bundles })
  assert.equal(source.current.bundles.get('saas.example')?.authorities.length, 1)
})

test('loads a changed store, and a passphrase that changes with it', async (context) => {
  const folder = createFolder(context)
  const [path, passphraseFile] = [join(folder, 'svid-keystore.p12'), join(folder, 'passphrase')]
  mkdirSync(join(folder, 'bundles'))
  writePrivate(path, readFileSync(join(stores, 'openssl-empty.p12')))
  writePrivate(passphraseFile, '\n')
  const trust = join(folder, 'trust-bundle.p12')
  writeFileSync(trust, readFileSync(join(stores, 'keytool-trust-legacy.p12')))
  const { source, notices } = await openSource(
    context,
    fileSource({
      keyStore: { path, passphraseFile },
      bundles: { 'saas.example': { path: trust, passphrase } },
      pollMs: 1000,
    }),
  )
  const { svid } = source.current
  replaceFile(path, readFileSync(join(stores, 'keytool.p12')))
  replaceFile(passphraseFile, 'changeit\n')
  replaceFile(trust, readFileSync(join(stores, 'keytool-trust.p12')))
  const next = await awaitMaterial(source, ({ bundles }) => bundles.get('saas.example')?.authorities.length === 2)
  assert.equal(next.svid, svid)
  assert.deepEqual(
    notices.filter(({ outcome }) => outcome === 'refused'),
    [],
  )
})

test('reports what is wrong with a store and its passphrase', async () => {
  const bundles = { 'saas.example': root }
  const trust = join(stores, 'keytool-trust.p12')
  await fails({ keyStore: keyStore.path, bundles }, 'passphrase_missing')
  await fails({ keyStore: { ...keyStore, passphrase: 'wrong' }, bundles }, 'passphrase_wrong')
  await fails({ keyStore, bundles: { 'saas.example': trust } }, 'passphrase_missing')
  await fails({ keyStore, bundles: { 'saas.example': { path: trust, passphrase: 'wrong' } } }, 'passphrase_wrong')
  await fails({ keyStore: { path: trust, passphrase }, bundles }, 'key_store_malformed')
  const unprotected = { ...storeFile('keytool-trust-unprotected'), passphrase }
  await fails({ keyStore, bundles: { 'saas.example': unprotected } }, 'key_store_malformed')
  await fails({ keyStore: root, bundles }, 'key_store_malformed')
  await fails({ key: keyStore, cert: root, bundles }, 'key_store_malformed')
})

test('rejects the store of a SPIFFE service as that of a CA without SPIFFE', async () => {
  await fails({ keyStore, ca: root }, 'svid_unusable')
})
