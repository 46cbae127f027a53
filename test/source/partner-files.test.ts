import assert from 'node:assert/strict'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { fileSource, type SourceNotice, type X509Source } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'
import { issueMany, joinPem } from '../trust/many-authorities.ts'
import { authority, awaitSvid, createFolder, openSource, optionsFor, spiffeId, writeFiles } from './files.ts'

const partner = await createAuthority('partner.example')
const next = await createAuthority('partner.example')
const weak = await createAuthority('partner.example', { faults: ['weak_key'] })
const pemOf = (...authorities: readonly { readonly bundlePem: string }[]): string =>
  authorities.map(({ bundlePem }) => bundlePem).join('')

/** Replaces the file of the partner's bundle, and the start of the resulting notice. */
type Fault = readonly [what: string, write: (path: string) => void, code: string]

const unreadable: readonly Fault[] = [
  ['is missing', (path) => rmSync(path), 'file_missing'],
  ['is a folder', (path) => (rmSync(path), mkdirSync(path)), 'file_unsuitable'],
  ['is empty', (path) => writeFileSync(path, ''), 'file_unsuitable'],
  ['is larger than 4 MiB', (path) => writeFileSync(path, 'x'.repeat(4 * 2 ** 20 + 1)), 'file_unsuitable'],
  ['is unrelated text', (path) => writeFileSync(path, 'no bundle'), 'bundle_empty'],
  ['is half a certificate', (path) => writeFileSync(path, partner.bundlePem.slice(0, 300)), 'certificate_malformed'],
  ['is unrelated JSON', (path) => writeFileSync(path, '{"keys":0}'), 'bundle_malformed'],
  [
    'is half a PKCS#12 store',
    (path) => writeFileSync(path, Buffer.from('3082010002010330', 'hex')),
    'key_store_malformed',
  ],
  ['contains 257 authorities', (path) => writeFileSync(path, joinPem(issueMany(257))), 'bundle_too_large'],
]

/** A source with the usual files and a partner's bundle, which is overwritten before it opens. */
async function startWithPartner(
  context: TestContext,
  write: (path: string) => void = () => undefined,
): Promise<Started> {
  const folder = createFolder(context)
  writeFiles(folder, await authority.issue(spiffeId))
  const path = join(folder, 'partner.pem')
  writeFileSync(path, partner.bundlePem)
  write(path)
  const { bundles, ...own } = optionsFor(folder)
  const options = { ...own, bundles: { 'partner.example': path, ...bundles }, pollMs: 1000 }
  const { source, notices } = await openSource(context, fileSource(options))
  return { folder, path, source, notices }
}

interface Started {
  readonly folder: string
  readonly path: string
  readonly source: X509Source
  readonly notices: readonly SourceNotice[]
}

const toldOf = (notices: readonly SourceNotice[]): readonly unknown[] =>
  notices.map(({ outcome, code, trustDomain }) => [outcome, code, trustDomain])

// Concurrently, because each waits for a poll that finds nothing new.
describe('a partner’s bundle file that cannot be read', { concurrency: true }, () => {
  for (const [what, write, code] of unreadable) {
    test(`keeps its last content when it ${what}, is reported once with its age, and our own certificate is renewed`, async (context) => {
      const { folder, path, source, notices } = await startWithPartner(context)
      const before = source.current.bundles.get('partner.example')
      write(path)
      while (notices.length === 0) await wait(20)
      for (let round = 0; round < 2; round += 1) {
        const renewed = await authority.issue(spiffeId)
        writeFiles(folder, renewed)
        await awaitSvid(source, renewed)
        assert.equal(source.current.bundles.get('partner.example'), before)
      }
      assert.deepEqual(toldOf(notices), [['refused', code, 'partner.example']])
      assert.match(notices[0]?.detail ?? '', /partner\.pem'.*read \d+ s ago .*stays in use/)
      const late: SourceNotice[] = []
      source.onNotice?.((notice) => late.push(notice))
      assert.deepEqual(late, notices)

      rmSync(path, { recursive: true, force: true })
      writeFileSync(path, next.bundlePem)
      while (notices.length === 1) await wait(20)
      assert.deepEqual(toldOf(notices).slice(1), [['recovered', undefined, 'partner.example']])
    })

    test(`authenticates no caller when it ${what} at startup, is reported, and is loaded once it is valid`, async (context) => {
      const { path, source, notices } = await startWithPartner(context, write)
      assert.deepEqual(source.current.bundles.get('partner.example')?.authorities, [])
      assert.equal(source.current.bundles.get('saas.example')?.authorities.length, 1)
      assert.deepEqual(toldOf(notices), [['warning', code, 'partner.example']])
      assert.match(notices[0]?.detail ?? '', /partner\.pem'/)
      rmSync(path, { recursive: true, force: true })
      writeFileSync(path, partner.bundlePem)
      while (source.current.bundles.get('partner.example')?.authorities.length === 0) await wait(20)
    })
  }
})

test('a partner’s bundle file without a usable authority immediately authenticates no caller', async (context) => {
  const { path, source, notices } = await startWithPartner(context)
  writeFileSync(path, weak.bundlePem)
  while (source.current.bundles.get('partner.example')?.authorities.length !== 0) await wait(20)
  assert.deepEqual(toldOf(notices), [['warning', 'authority_unusable', 'partner.example']])
  writeFileSync(path, pemOf(weak, partner))
  while (source.current.bundles.get('partner.example')?.authorities.length !== 1) await wait(20)
  writeFileSync(path, '{"keys":[]}')
  while (source.current.bundles.get('partner.example')?.authorities.length !== 0) await wait(20)
  assert.equal(notices.length, 1)
})

test('two partners whose bundles cannot be read are reported and recover independently', async (context) => {
  const folder = createFolder(context)
  writeFiles(folder, await authority.issue(spiffeId))
  const bundles = join(folder, 'bundles')
  mkdirSync(bundles)
  const pathOf = (name: string, end = 'pem'): string => join(bundles, `${name}.${end}`)
  const names = ['one.example', 'two.example']
  writeFileSync(pathOf('saas.example'), authority.bundlePem)
  for (const name of names) writeFileSync(pathOf(name), partner.bundlePem)
  const { key: keyPath, cert } = optionsFor(folder)
  const { source, notices } = await openSource(context, fileSource({ key: keyPath, cert, bundles, pollMs: 1000 }))
  writeFileSync(pathOf('one.example'), 'no bundle')
  // It is ambiguous which of them counts.
  writeFileSync(pathOf('two.example', 'json'), '{"keys":[]}')
  while (notices.length < 2) await wait(20)
  assert.deepEqual(
    new Set(notices.map(({ code, trustDomain }) => `${trustDomain} ${code}`)),
    new Set(['one.example bundle_empty', 'two.example file_unsuitable']),
  )
  rmSync(pathOf('two.example', 'json'))
  while (notices.length < 3) await wait(20)
  assert.deepEqual(toldOf(notices.slice(2)), [['recovered', undefined, 'two.example']])
  const renewed = await authority.issue(spiffeId)
  writeFiles(folder, renewed)
  await awaitSvid(source, renewed)
  assert.deepEqual(source.current.bundles.size, 3)
  const late: SourceNotice[] = []
  source.onNotice?.((notice) => late.push(notice))
  assert.deepEqual(toldOf(late), [['refused', 'bundle_empty', 'one.example']])
})

test('a partner’s file that is written continuously delays reading our own only for a moment', async (context) => {
  const { folder, path, source } = await startWithPartner(context)
  let isOver = false
  const write = (): void => {
    if (isOver) return
    writeFileSync(path, `${partner.bundlePem}${'\n'.repeat(Math.ceil(Math.random() * 100))}`)
    setImmediate(write)
  }
  write()
  try {
    const renewed = await authority.issue(spiffeId)
    writeFiles(folder, renewed)
    await awaitSvid(source, renewed)
    assert.equal(source.current.bundles.get('partner.example')?.authorities.length, 1)
  } finally {
    isOver = true
  }
})

test('our own bundle keeps its last content if its file cannot be read, and is required at startup', async (context) => {
  const { folder, source, notices } = await startWithPartner(context)
  const before = source.current.bundles.get('saas.example')
  writeFileSync(join(folder, 'bundle.pem'), 'no bundle')
  while (notices.length === 0) await wait(20)
  assert.deepEqual(toldOf(notices), [['refused', 'bundle_empty', 'saas.example']])
  assert.equal(source.current.bundles.get('saas.example'), before)
  await assert.rejects(fileSource(optionsFor(folder)), { code: 'bundle_empty' })
})
