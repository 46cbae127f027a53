import assert from 'node:assert/strict'
import { chmodSync, chownSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { fileSource, type SpiffeErrorCode } from '@countersign/spiffe'
import { createAuthority, createKey } from '@countersign/testkit'
import { askOtherAccount, otherAccount, skipOtherAccount } from './other-account.ts'
import {
  authority,
  awaitNotice,
  awaitSvid,
  createFolder,
  openSource,
  optionsFor,
  replaceFile,
  spiffeId,
  startService,
  writeFiles,
} from './files.ts'

const stranger = await createAuthority('saas.example')
const strange = await stranger.issue(spiffeId)
const expired = await authority.issue(spiffeId, { faults: ['expired'] })

const failures: readonly (readonly [what: string, write: (folder: string) => unknown, code: SpiffeErrorCode])[] = [
  ['a certificate of another authority', (folder) => writeFiles(folder, strange), 'svid_unusable'],
  ['an expired certificate', (folder) => writeFiles(folder, expired), 'svid_unusable'],
  ['half a certificate', (folder) => cut(join(folder, 'tls.crt')), 'certificate_malformed'],
  ['half a bundle', (folder) => cut(join(folder, 'bundle.pem')), 'certificate_malformed'],
  ['an empty key', (folder) => writeFileSync(join(folder, 'tls.key'), ''), 'file_unsuitable'],
  ['a deleted key', (folder) => rmSync(join(folder, 'tls.key')), 'file_missing'],
  ['another key', async (folder) => replaceFile(join(folder, 'tls.key'), (await createKey()).pem), 'key_mismatch'],
]

// Concurrently, because each waits for a poll that finds nothing new.
describe('a failure', { concurrency: true }, () => {
  for (const [what, write, code] of failures) {
    test(`reports ${what} once with the reason, keeps its material, and loads valid files again`, async (context) => {
      const { source, folder, notices, updates } = await startService(context)
      const { current } = source
      await write(folder)
      const notice = await awaitNotice(source, code)
      assert.equal(notice.outcome, 'refused')
      assert.ok(notice.detail.includes(folder))
      assert.equal(source.current, current)
      await wait(1300)
      assert.deepEqual([notices.length, updates.length], [1, 0])
      const next = await authority.issue(spiffeId)
      writeFiles(folder, next)
      await awaitSvid(source, next)
      assert.equal(updates.length, 1)
      assert.deepEqual(
        notices.map(({ outcome }) => outcome),
        ['refused', 'recovered'],
      )
    })
  }
})

test('reports the same failure again after the files were valid in between, without an update for them', async (context) => {
  const { source, folder, notices, updates } = await startService(context)
  const [key, away] = [join(folder, 'tls.key'), join(folder, 'away')]
  for (const times of [1, 3]) {
    renameSync(key, away)
    while (notices.length < times) await wait(20)
    renameSync(away, key)
    while (notices.length < times + 1) await wait(20)
  }
  assert.deepEqual(
    notices.map(({ outcome, code }) => [outcome, code]),
    [
      ['refused', 'file_missing'],
      ['recovered', undefined],
      ['refused', 'file_missing'],
      ['recovered', undefined],
    ],
  )
  assert.equal(updates.length, 0)
  assert.ok(source.current)
})

test("loads our own new certificate although a partner's bundle is invalid, which keeps its last content", async (context) => {
  const partner = await createAuthority('partner.example')
  const folder = createFolder(context)
  writeFiles(folder, await authority.issue(spiffeId))
  const partners = join(folder, 'partner.pem')
  writeFileSync(partners, partner.bundlePem)
  const { bundles, ...own } = optionsFor(folder)
  const { source, notices } = await openSource(
    context,
    fileSource({ ...own, bundles: { ...bundles, 'partner.example': partners } }),
  )
  const before = source.current.bundles.get('partner.example')
  cut(partners)
  await awaitNotice(source, 'certificate_malformed')
  const next = await authority.issue(spiffeId)
  writeFiles(folder, next)
  await awaitSvid(source, next)
  assert.equal(source.current.bundles.get('partner.example'), before)
  writeFileSync(partners, partner.bundlePem)
  while (notices.length < 2) await wait(20)
  assert.deepEqual(
    notices.map(({ outcome }) => outcome),
    ['refused', 'recovered'],
  )
})

test('loads a certificate when it becomes valid, without another write', async (context) => {
  const { source, folder } = await startService(context)
  const early = await authority.issue(spiffeId, { notBefore: Date.now() + 3000 })
  writeFiles(folder, early)
  assert.equal((await awaitNotice(source, 'svid_unusable')).outcome, 'refused')
  await awaitSvid(source, early)
})

test(
  'warns once about a private key that every user may read',
  { skip: process.platform === 'win32' },
  async (context) => {
    const folder = createFolder(context)
    writeFiles(folder, await authority.issue(spiffeId))
    const key = join(folder, 'tls.key')
    chmodSync(key, 0o644)
    const { source, notices } = await openSource(context, fileSource({ ...optionsFor(folder), pollMs: 1000 }))
    const notice = await awaitNotice(source, 'key_readable_by_all')
    assert.equal(notice.outcome, 'warning')
    assert.match(notice.detail, /0644/)
    const next = await authority.issue(spiffeId)
    writeFiles(folder, next)
    await awaitSvid(source, next)
    await wait(200)
    assert.equal(statSync(key).mode & 0o777, 0o644)
    assert.equal(notices.length, 1)
    chmodSync(key, 0o600)
    await wait(200)
    chmodSync(key, 0o604)
    while (notices.length < 2) await wait(20)
    assert.match(notices[1]?.detail ?? '', /0604/)
  },
)

test(
  'reports once that it cannot watch, and reads the files every second',
  { skip: skipOtherAccount },
  async (context) => {
    const folder = createFolder(context)
    const give = (...names: readonly string[]): void => {
      if (otherAccount === undefined) return
      for (const name of names) chownSync(join(folder, name), otherAccount, otherAccount)
    }
    writeFiles(folder, await authority.issue(spiffeId))
    give('tls.key', 'tls.crt', 'bundle.pem')
    // Files in it can be opened by name, but changes in it are not reported.
    chmodSync(folder, otherAccount === undefined ? 0o311 : 0o711)
    const child = askOtherAccount(context, optionsFor(folder))
    assert.equal(await child.next(), 'warning watching_failed')
    for (const next of [await authority.issue(spiffeId), await authority.issue(spiffeId)]) {
      writeFiles(folder, next)
      assert.equal(await child.next(), `update ${next.serialNumber}`)
    }
  },
)

/** Writes the first half of the current content, in place. */
function cut(path: string): void {
  writeFileSync(path, (path.endsWith('.pem') ? authority.bundlePem : strange.certificatePem).slice(0, 300))
}
