import assert from 'node:assert/strict'
import {
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { fileSource } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'
import {
  authority,
  awaitMaterial,
  awaitNotice,
  awaitSvid,
  createFolder,
  openSource,
  optionsFor,
  replaceFile,
  spiffeId,
  startService,
  swapData,
  writeFiles,
} from './files.ts'

test('loads files that are written in place', async (context) => {
  const { source, folder, notices } = await startService(context)
  const next = await authority.issue(spiffeId)
  writeFiles(folder, next)
  await awaitSvid(source, next)
  assert.deepEqual(notices, [])
})

test('loads files that are replaced by renaming', async (context) => {
  const { source, folder, notices } = await startService(context)
  const next = await authority.issue(spiffeId)
  replaceFile(join(folder, 'tls.key'), next.keyPem)
  replaceFile(join(folder, 'tls.crt'), next.certificatePem)
  await awaitSvid(source, next)
  assert.deepEqual(notices, [])
})

test('loads a certificate that is written in two parts once it is complete', async (context) => {
  const { source, folder, notices, updates } = await startService(context)
  const next = await authority.issue(spiffeId, { key: (await authority.issue(spiffeId)).key })
  replaceFile(join(folder, 'tls.key'), next.keyPem)
  const file = openSync(join(folder, 'tls.crt'), 'w')
  writeSync(file, next.certificatePem.slice(0, 300))
  await wait(120)
  writeSync(file, next.certificatePem.slice(300))
  closeSync(file)
  await awaitSvid(source, next)
  assert.deepEqual([updates.length, notices.length], [1, 0])
})

for (const order of [
  ['tls.key', 'tls.crt'],
  ['tls.crt', 'tls.key'],
] as const) {
  test(`loads ${order.join(' and then ')}, with a pause in between, as one rotation`, async (context) => {
    const { source, folder, notices, updates } = await startService(context)
    const next = await authority.issue(spiffeId)
    for (const name of order) {
      replaceFile(join(folder, name), name === 'tls.key' ? next.keyPem : next.certificatePem)
      await wait(100)
    }
    await awaitSvid(source, next)
    assert.deepEqual([updates.length, notices.length], [1, 0])
  })
}

test("loads every swap of Kubernetes' ..data link", async (context) => {
  const mount = createFolder(context)
  const generate = async (name: string) => {
    const svid = await authority.issue(spiffeId)
    mkdirSync(join(mount, name))
    writeFiles(join(mount, name), svid)
    return svid
  }
  await generate('..2026_01')
  swapData(mount, '..2026_01')
  for (const name of ['tls.key', 'tls.crt', 'bundle.pem']) symlinkSync(join('..data', name), join(mount, name))
  const { source, updates, notices } = await openSource(context, fileSource(optionsFor(mount)))
  for (const [last, next] of [
    ['..2026_01', '..2026_02'],
    ['..2026_02', '..2026_03'],
    ['..2026_03', '..2026_04'],
  ] as const) {
    const svid = await generate(next)
    swapData(mount, next)
    rmSync(join(mount, last), { recursive: true })
    await awaitSvid(source, svid)
  }
  assert.deepEqual([updates.length, notices.length], [3, 0])
})

test('follows a symlink in the path of the folder', async (context) => {
  const root = createFolder(context)
  const [first, next] = [await authority.issue(spiffeId), await authority.issue(spiffeId)]
  for (const [name, svid] of Object.entries({ blue: first, green: next })) {
    mkdirSync(join(root, name, 'certs'), { recursive: true })
    writeFiles(join(root, name, 'certs'), svid)
  }
  symlinkSync('blue', join(root, 'live'))
  const { source } = await openSource(context, fileSource(optionsFor(join(root, 'live', 'certs'))))
  symlinkSync(join(root, 'green'), join(root, 'next'))
  renameSync(join(root, 'next'), join(root, 'live'))
  await awaitSvid(source, next)
})

test('notices a folder that is replaced, and one that reappears', async (context) => {
  const root = createFolder(context)
  mkdirSync(join(root, 'certs'))
  mkdirSync(join(root, 'other'))
  const { source } = await startService(context, join(root, 'certs'))
  const next = await authority.issue(spiffeId)
  writeFiles(join(root, 'other'), next)
  renameSync(join(root, 'certs'), join(root, 'old'))
  renameSync(join(root, 'other'), join(root, 'certs'))
  await awaitSvid(source, next)
  rmSync(join(root, 'certs'), { recursive: true })
  await awaitNotice(source, 'file_missing')
  assert.equal(source.current.svid.serialNumber, next.serialNumber)
  const last = await authority.issue(spiffeId)
  mkdirSync(join(root, 'certs'))
  writeFiles(join(root, 'certs'), last)
  await awaitSvid(source, last)
  const inPlace = await authority.issue(spiffeId)
  writeFiles(join(root, 'certs'), inPlace)
  await awaitSvid(source, inPlace)
})

test('notifies no listener when a file is rewritten with the same content or only touched', async (context) => {
  const { source, folder, svid, updates, notices } = await startService(context)
  const { current } = source
  writeFiles(folder, svid)
  await wait(150)
  replaceFile(join(folder, 'bundle.pem'), authority.bundlePem)
  utimesSync(join(folder, 'tls.crt'), new Date(), new Date())
  writeFileSync(join(folder, 'unrelated'), 'x')
  await wait(150)
  assert.equal(source.current, current)
  const next = await authority.issue(spiffeId)
  writeFiles(folder, next)
  await awaitSvid(source, next)
  assert.deepEqual([updates.length, notices.length], [1, 0])
})

test('keeps the bundle object if only the SVID changes, even if its file is formatted differently', async (context) => {
  const { source, folder } = await startService(context)
  const bundle = source.current.bundles.get('saas.example')
  const next = await authority.issue(spiffeId)
  writeFiles(folder, next, `# the same authority\n${authority.bundlePem}${authority.bundlePem}`)
  await awaitSvid(source, next)
  assert.equal(source.current.bundles.get('saas.example'), bundle)
})

test('ends with the last of 200 changes in a row', async (context) => {
  const { source, folder } = await startService(context)
  const svids = await Promise.all(Array.from({ length: 10 }, () => authority.issue(spiffeId)))
  for (let round = 0; round < 200; round += 1) {
    const svid = svids[round % svids.length] ?? assert.fail()
    if (round % 2 === 0) writeFiles(folder, svid)
    else {
      replaceFile(join(folder, 'tls.crt'), svid.certificatePem)
      replaceFile(join(folder, 'tls.key'), svid.keyPem)
    }
    if (round % 10 === 0) await wait(5)
  }
  const last = await authority.issue(spiffeId)
  writeFiles(folder, last)
  await awaitSvid(source, last)
})

test('reads a folder of bundles in which files are added and removed', async (context) => {
  const folder = createFolder(context)
  const bundles = join(folder, 'bundles')
  mkdirSync(bundles)
  const partner = await createAuthority('partner.example')
  const svid = await authority.issue(spiffeId)
  writeFiles(folder, svid)
  writeFileSync(join(bundles, 'saas.example.pem'), authority.bundlePem)
  for (const ignored of ['README.md', '.hidden.example.pem', 'Not A Domain.pem', '.pem']) {
    writeFileSync(join(bundles, ignored), 'not a bundle')
  }
  const { key, cert } = optionsFor(folder)
  const { source } = await openSource(context, fileSource({ key, cert, bundles }))
  const own = source.current.bundles.get('saas.example')
  assert.deepEqual([...source.current.bundles.keys()], ['saas.example'])
  writeFileSync(join(bundles, 'partner.example.crt'), partner.certificateDer)
  const joined = await awaitMaterial(source, (material) => material.bundles.has('partner.example'))
  assert.equal(joined.bundles.get('saas.example'), own)
  unlinkSync(join(bundles, 'partner.example.crt'))
  const left = await awaitMaterial(source, (material) => !material.bundles.has('partner.example'))
  assert.equal(left.bundles.get('saas.example'), own)
})

test('reads a SPIFFE bundle document, and withdraws its authorities when it revokes all of them', async (context) => {
  const folder = createFolder(context)
  const svid = await authority.issue(spiffeId)
  const x5c = [authority.certificateDer.toString('base64')]
  const document = JSON.stringify({ keys: [{ use: 'x509-svid', kty: 'EC', x5c }], spiffe_sequence: 1 })
  writeFiles(folder, svid, document)
  const { source, notices } = await openSource(context, fileSource({ ...optionsFor(folder), pollMs: 1000 }))
  assert.equal(source.current.bundles.get('saas.example')?.authorities.length, 1)
  replaceFile(join(folder, 'bundle.pem'), JSON.stringify({ keys: [], spiffe_sequence: 2 }))
  await awaitNotice(source, 'bundle_revoked')
  assert.throws(
    () => source.current,
    (error) => error instanceof Error && 'code' in error && error.code === 'bundle_revoked',
  )
  replaceFile(join(folder, 'bundle.pem'), document)
  await awaitMaterial(source, (material) => material.bundles.size === 1)
  while (notices.length < 2) await wait(20)
  assert.deepEqual(
    notices.map(({ outcome, code }) => [outcome, code]),
    [
      ['lost', 'bundle_revoked'],
      ['recovered', undefined],
    ],
  )
})

test('detects changes by polling alone', async (context) => {
  const folder = createFolder(context)
  const { source } = await startService(context, folder)
  // A write through a name in another folder is only reported for that folder.
  const elsewhere = createFolder(context)
  const next = await authority.issue(spiffeId)
  for (const name of ['tls.key', 'tls.crt']) linkSync(join(folder, name), join(elsewhere, name))
  await wait(300)
  writeFileSync(join(elsewhere, 'tls.key'), next.keyPem)
  writeFileSync(join(elsewhere, 'tls.crt'), next.certificatePem)
  await awaitSvid(source, next)
})
