import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createPrivateKey } from 'node:crypto'
import { appendFileSync, chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { CountersignError, type CountersignErrorCode, fileSource } from '@countersign/core'
import { createAuthority, createKey } from '@countersign/testkit'
import { askOtherAccount, skipOtherAccount } from './other-account.ts'
import { authority, createFolder, optionsFor, spiffeId, writeFiles, writePrivate } from './files.ts'

const svid = await authority.issue(spiffeId)
const windows = process.platform === 'win32'

function writeAll(context: TestContext): string {
  const folder = createFolder(context)
  writeFiles(folder, svid)
  return folder
}

/** The error that prevents a source from starting. */
async function findError(
  options: object,
): Promise<{ readonly code: string; readonly message: string; readonly value: unknown }> {
  try {
    await Reflect.apply(fileSource, undefined, [options])
  } catch (error) {
    if (error instanceof CountersignError)
      return { code: String(error.code), message: error.message, value: error.value }
    throw error
  }
  return assert.fail('expected an error')
}

test('names each unreadable file and the reason, each with its own message', async (context) => {
  const folder = writeAll(context)
  const put = (name: string, content: string | Uint8Array): string => {
    writePrivate(join(folder, name), content)
    return join(folder, name)
  }
  const locked = createPrivateKey(svid.keyPem).export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'right',
  })
  symlinkSync('circle', join(folder, 'circle'))
  const keys: readonly (readonly [path: string, code: CountersignErrorCode, passphrase?: string])[] = [
    [join(folder, 'nothing'), 'file_missing'],
    [folder, 'file_unsuitable'],
    [put('empty', ''), 'file_unsuitable'],
    [put('large', Buffer.alloc(2 ** 20 + 1, 'x')), 'file_unsuitable'],
    [join(folder, 'circle'), 'file_unsuitable'],
    [put('text', 'no key'), 'key_malformed'],
    [put('half', svid.keyPem.slice(0, 100)), 'key_malformed'],
    [put('other', (await createKey()).pem), 'key_mismatch'],
    [put('locked', locked), 'passphrase_missing'],
    [join(folder, 'locked'), 'passphrase_wrong', 'wrong'],
  ]
  const reasons = new Set<string>()
  for (const [path, code, passphrase] of keys) {
    const error = await findError({ ...optionsFor(folder), key: { path, passphrase } })
    assert.equal(error.code, code, path)
    assert.ok(error.message.includes(`key '${path}'`), error.message)
    reasons.add(error.message.replace(path, ''))
  }
  assert.equal(reasons.size, keys.length)
})

test('names chain, bundle, folder, CA and passphrase file', async (context) => {
  const folder = writeAll(context)
  const missing = join(folder, 'missing')
  const good = optionsFor(folder)
  const { key, cert } = good
  for (const [options, option] of [
    [{ ...good, cert: missing }, 'cert'],
    [{ ...good, bundles: { 'saas.example': missing } }, 'bundles[saas.example]'],
    [{ ...good, bundles: missing }, 'bundles'],
    [{ ...good, key: { path: key, passphraseFile: missing } }, 'key.passphraseFile'],
    [{ key, cert, ca: missing }, 'ca'],
    [{ key, cert, ca: [join(folder, 'bundle.pem'), missing] }, 'ca[1]'],
    [{ keyStore: missing, bundles: good.bundles }, 'keyStore'],
  ] as const) {
    const error = await findError(options)
    assert.equal(error.code, 'file_missing')
    assert.equal(error.value, missing)
    assert.ok(error.message.startsWith(`${option} '${missing}'`), error.message)
  }
})

test('rejects a pipe without waiting for a writer', { skip: windows }, async (context) => {
  const folder = writeAll(context)
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  assert.equal((await findError({ ...optionsFor(folder), key: pipe })).code, 'file_unsuitable')
})

test('reports a file without read permission', { skip: skipOtherAccount }, async (context) => {
  const folder = writeAll(context)
  chmodSync(join(folder, 'tls.key'), 0)
  const child = askOtherAccount(context, optionsFor(folder))
  assert.equal(await child.next(), 'error file_forbidden')
})

test('rejects chains and bundles that are invalid or do not match', async (context) => {
  const folder = writeAll(context)
  const stranger = await createAuthority('saas.example')
  const [expired, early] = [
    await authority.issue(spiffeId, { faults: ['expired'], key: svid.key }),
    await authority.issue(spiffeId, { faults: ['not_yet_valid'], key: svid.key }),
  ]
  const cases: readonly (readonly [name: string, content: string, code: CountersignErrorCode, value?: string])[] = [
    ['tls.crt', 'no certificate', 'certificate_missing'],
    ['tls.crt', svid.certificatePem.slice(0, 300), 'certificate_malformed'],
    ['tls.crt', svid.certificatePem.replace(/^(M.{20})./m, '$1!'), 'certificate_malformed'],
    ['tls.crt', expired.certificatePem, 'svid_unusable', 'expired'],
    ['tls.crt', early.certificatePem, 'svid_unusable', 'not_yet_valid'],
    ['bundle.pem', stranger.bundlePem, 'svid_unusable'],
    ['bundle.pem', 'no bundle', 'bundle_empty'],
    ['bundle.pem', authority.bundlePem.slice(0, 300), 'certificate_malformed'],
    ['bundle.pem', '{ "keys": [', 'bundle_malformed'],
    ['bundle.pem', '{ "keys": [] }', 'bundle_revoked'],
  ]
  for (const [name, content, code, value] of cases) {
    writeFiles(folder, svid)
    writeFileSync(join(folder, name), content)
    const error = await findError(optionsFor(folder))
    assert.equal(error.code, code, content)
    if (value !== undefined) assert.equal(error.value, value)
    assert.ok(error.message.includes(join(folder, name)), error.message)
  }
})

test('rejects a bundle folder that is not a folder, is empty, or has two files for one trust domain', async (context) => {
  const folder = writeAll(context)
  const bundles = join(folder, 'bundles')
  const { key, cert } = optionsFor(folder)
  mkdirSync(bundles)
  assert.equal((await findError({ key, cert, bundles: join(folder, 'bundle.pem') })).code, 'file_unsuitable')
  assert.equal((await findError({ key, cert, bundles })).code, 'file_unsuitable')
  for (const end of ['pem', 'json']) writeFileSync(join(bundles, `saas.example.${end}`), authority.bundlePem)
  assert.equal((await findError({ key, cert, bundles })).code, 'file_unsuitable')
})

test('never combines parts of files that are being written', async (context) => {
  const folder = writeAll(context)
  let isOver = false
  const write = (): void => {
    if (isOver) return
    appendFileSync(join(folder, 'tls.crt'), '\n')
    setImmediate(write)
  }
  write()
  const error = await findError(optionsFor(folder))
  isOver = true
  assert.equal(error.code, 'files_unstable')
})

test('rejects options that are missing, duplicated, unknown or of the wrong kind', async () => {
  const bundles = { 'saas.example': 'bundle.pem' }
  const own = { key: 'tls.key', cert: 'tls.crt' }
  const wrong: readonly object[] = [
    [],
    {},
    { bundles },
    own,
    { key: 'tls.key', bundles },
    { cert: 'tls.crt', bundles },
    { ...own, keyStore: 'store.p12', bundles },
    { keyStore: 'store.p12', cert: 'tls.crt', bundles },
    { ...own, bundles, ca: 'ca.pem' },
    { ...own, bundles: {} },
    { ...own, bundles: ['bundle.pem'] },
    { ...own, bundles: '' },
    { ...own, bundles: { 'saas.example': 7 } },
    { ...own, bundles: { 'SAAS.example': 'bundle.pem' } },
    { ...own, bundles: { 'spiffe://saas.example': 'bundle.pem' } },
    { ...own, ca: [] },
    { ...own, ca: [''] },
    { ...own, cert: { path: 'tls.crt' }, bundles },
    { ...own, key: '', bundles },
    { ...own, key: 'a\0b', bundles },
    { ...own, key: null, bundles },
    { ...own, key: ['tls.key'], bundles },
    { ...own, key: { passphrase: 'x' }, bundles },
    { ...own, key: { path: 'tls.key', passphrase: 'x', passphraseFile: 'y' }, bundles },
    { ...own, key: { path: 'tls.key', passphrase: 7 }, bundles },
    { ...own, key: { path: 'tls.key', passphraseFile: '' }, bundles },
    ...[999, 0, -1, 1000.5, 2 ** 31, Infinity, '1000'].map((pollMs) => ({ ...own, bundles, pollMs })),
  ]
  for (const options of wrong) assert.equal((await findError(options)).code, 'option_invalid', JSON.stringify(options))
  for (const options of [
    { ...own, bundle: bundles },
    { ...own, bundles, key: { path: 'tls.key', pasphrase: 'x' } },
  ]) {
    assert.equal((await findError(options)).code, 'option_unknown')
  }
})
