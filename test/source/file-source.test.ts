import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createPrivateKey } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { authenticated, createGuard, fileSource, SourceError } from '@countersign/core'
import { isDenial } from '@countersign/core/adapter'
import { createAuthority, serve } from '@countersign/testkit'
import {
  authority,
  awaitSvid,
  createFolder,
  openSource,
  optionsFor,
  replaceFile,
  spiffeId,
  startService,
  writeFiles,
  writePrivate,
} from './files.ts'
import { admitNow } from '../support/admit-now.ts'

// Built, because another process does not run TypeScript.
const entry = new URL('../../packages/core/dist/index.js', import.meta.url).href

test('returns the key, chain and bundles from its files', async (context) => {
  const { source, svid, notices } = await startService(context)
  const { current } = source
  assert.equal(current.svid.spiffeId.toString(), spiffeId)
  assert.equal(current.svid.serialNumber, svid.serialNumber)
  assert.equal(createPrivateKey(current.svid.exportPrivateKey()).equals(createPrivateKey(svid.keyPem)), true)
  assert.deepEqual([...current.bundles.keys()], ['saas.example'])
  assert.equal(source.current, current)
  assert.deepEqual(notices, [])
})

test('reads DER, a key and a chain in one file, and relative paths', async (context) => {
  const folder = createFolder(context)
  const lower = await authority.intermediate()
  const svid = await lower.issue(spiffeId)
  const [der, both, root] = [join(folder, 'key.der'), join(folder, 'both.pem'), join(folder, 'root.der')]
  writePrivate(der, createPrivateKey(svid.keyPem).export({ type: 'pkcs8', format: 'der' }))
  writePrivate(both, svid.keyPem + svid.certificatePem)
  writeFileSync(join(folder, 'chain.der'), Buffer.concat(svid.certificates))
  writeFileSync(root, authority.certificateDer)
  const bundles = { 'saas.example': relative(process.cwd(), root) }
  for (const own of [
    { key: both, cert: both },
    { key: der, cert: join(folder, 'chain.der') },
    { key: { path: relative(process.cwd(), der) }, cert: relative(process.cwd(), both) },
  ]) {
    await using source = await fileSource({ ...own, bundles })
    assert.equal(source.current.svid.serialNumber, svid.serialNumber)
  }
})

test('opens an encrypted key with a passphrase, given directly or in a file', async (context) => {
  const folder = createFolder(context)
  const svid = await authority.issue(spiffeId)
  writeFiles(folder, svid)
  const passphrase = ' two words\n'
  const key = createPrivateKey(svid.keyPem)
  const [path, passphraseFile] = [join(folder, 'locked.key'), join(folder, 'passphrase')]
  const lock = { type: 'pkcs8', cipher: 'aes-256-cbc', passphrase } as const
  for (const locked of [key.export({ ...lock, format: 'pem' }), key.export({ ...lock, format: 'der' })]) {
    writePrivate(path, locked)
    for (const end of ['\n', '\r\n']) {
      writePrivate(passphraseFile, `${passphrase}${end}`)
      for (const secret of [{ passphrase }, { passphraseFile }]) {
        await using source = await fileSource({ ...optionsFor(folder), key: { path, ...secret } })
        assert.equal(source.current.svid.serialNumber, svid.serialNumber)
      }
    }
  }
})

test('reads a passphrase again together with the file that it opens', async (context) => {
  const folder = createFolder(context)
  const lock = (keyPem: string, passphrase: string): string | Buffer =>
    createPrivateKey(keyPem).export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase })
  const [first, next] = [await authority.issue(spiffeId), await authority.issue(spiffeId)]
  const [path, passphraseFile] = [join(folder, 'tls.key'), join(folder, 'passphrase')]
  writeFiles(folder, first)
  writePrivate(path, lock(first.keyPem, 'old'))
  writePrivate(passphraseFile, 'old\n')
  const { source } = await openSource(
    context,
    fileSource({ ...optionsFor(folder), key: { path, passphraseFile }, pollMs: 1000 }),
  )
  replaceFile(passphraseFile, 'new\n')
  replaceFile(path, lock(next.keyPem, 'new'))
  replaceFile(join(folder, 'tls.crt'), next.certificatePem)
  await awaitSvid(source, next)
})

test('shows neither key nor passphrase, and its content cannot be replaced', async (context) => {
  const folder = createFolder(context)
  const svid = await authority.issue(spiffeId)
  writeFiles(folder, svid)
  const key = { path: join(folder, 'tls.key'), passphrase: 'a secret word' }
  const { source } = await openSource(context, fileSource({ ...optionsFor(folder), key }))
  const shown = inspect(source, { depth: 9, showHidden: true }) + JSON.stringify(source)
  for (const secret of ['PRIVATE KEY', 'a secret word']) assert.equal(shown.includes(secret), false)
  for (const name of ['replace', 'withdraw', 'notify']) assert.equal(Reflect.get(source, name), undefined)
})

test('serves real handshakes with the current content of the files', async (context) => {
  const { source, folder } = await startService(context)
  const rules = [{ path: '/**', allow: authenticated() }]
  const guard = createGuard({ source, rules, log: () => undefined })
  const running = await serve(guard, (request, response) => {
    const verdict = admitNow(guard, request)
    response.end(isDenial(verdict) ? verdict.reason : verdict.name)
  })
  context.after(() => running.close())
  const caller = await authority.issue('spiffe://saas.example/ns/production/sa/billing')
  assert.equal(await (await running.as(caller).fetch('/')).text(), caller.spiffeId)
  const next = await authority.issue(spiffeId)
  writeFiles(folder, next)
  await awaitSvid(source, next)
  const socket = await running.as(caller).connect()
  assert.equal(BigInt(`0x${socket.getPeerCertificate().serialNumber}`), BigInt(`0x${next.serialNumber}`))
})

test('accepts a CA of several files, without any SPIFFE ID', async (context) => {
  const folder = createFolder(context)
  const [ca, other] = [
    await createAuthority('saas.example', { spiffeId: false }),
    await createAuthority('other.example'),
  ]
  const issue = () => ca.issue(spiffeId, { uris: [], subject: { CN: 'core-api' } })
  const [first, next] = [await issue(), await issue()]
  writeFiles(folder, first, ca.bundlePem)
  writeFileSync(join(folder, 'other.der'), other.certificateDer)
  const { key, cert } = optionsFor(folder)
  const files = [join(folder, 'bundle.pem'), { path: join(folder, 'other.der') }]
  const { source, updates } = await openSource(context, fileSource({ key, cert, ca: files, pollMs: 1000 }))
  const { current } = source
  assert.equal(current.certificate.serialNumber, first.serialNumber)
  assert.equal(current.ca.authorities.length, 2)
  const update = new Promise<void>((resolve) => source.onUpdate(() => resolve()))
  writeFiles(folder, next, ca.bundlePem)
  const deadline = setTimeout(() => undefined, 30_000)
  await update
  clearTimeout(deadline)
  assert.equal(updates.at(-1)?.certificate.serialNumber, next.serialNumber)
  assert.equal(updates.at(-1)?.ca, current.ca)
})

test('leaves no timer, watcher or listener, and returns nothing after it is closed', async (context) => {
  const before = process.getActiveResourcesInfo().toSorted()
  const { source, folder, updates, notices } = await startService(context)
  await source.close()
  await source.close()
  assert.deepEqual(process.getActiveResourcesInfo().toSorted(), before)
  const told = notices.length
  writeFiles(folder, await authority.issue(spiffeId))
  const other = await startService(context, folder)
  writeFiles(folder, other.svid)
  assert.throws(
    () => source.current,
    (error) => error instanceof SourceError && error.code === 'source_closed',
  )
  assert.deepEqual([updates.length, notices.length], [0, told])
})

for (const [how, end] of [
  ['with its source open', ''],
  ['once its source is closed', 'await source.close()'],
] as const) {
  test(`does not keep an idle process alive, ${how}`, { timeout: 60_000 }, async (context) => {
    const folder = createFolder(context)
    writeFiles(folder, await authority.issue(spiffeId))
    const options = JSON.stringify(optionsFor(folder))
    const script = `import { fileSource } from '${entry}'; const source = await fileSource(${options}); source.onUpdate(() => {}); ${end}`
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: 'inherit' })
    assert.deepEqual(await once(child, 'exit'), [0, null])
  })
}

test('can be closed during loading without a notice or an error', async (context) => {
  const { source, folder, updates } = await startService(context)
  for (let round = 0; round < 5; round += 1) writeFiles(folder, await authority.issue(spiffeId))
  await source.close()
  assert.equal(updates.length, 0)
})
