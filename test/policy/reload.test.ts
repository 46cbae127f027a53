import assert from 'node:assert/strict'
import { mkdirSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import type { PolicyNotice, PolicySet } from '@countersign/authorization'
import {
  createFolder,
  denying,
  mountGeneration,
  namesOf,
  nextNotice,
  nextSet,
  open,
  replaceFile,
} from './write-documents.ts'

test('follows a mounted folder whose link ..data is swapped, as in Kubernetes', async (context) => {
  const mount = createFolder(context)
  mountGeneration(mount, 'one', { 'a.yaml': denying('a1'), 'b.yaml': denying('b1') })
  for (const name of ['a.yaml', 'b.yaml']) symlinkSync(`..data/${name}`, join(mount, name))
  const source = await open(context, mount)
  assert.deepEqual(namesOf(source.current), ['a1', 'b1'])

  const updated = nextSet(source)
  mountGeneration(mount, 'two', { 'a.yaml': denying('a2'), 'b.yaml': denying('b2') })
  const set = await updated
  assert.deepEqual(namesOf(set), ['a2', 'b2'])
  assert.equal(source.current, set)
})

test('follows a document that is replaced, one that is added, and one that is removed', async (context) => {
  const folder = createFolder(context)
  writeFileSync(join(folder, 'a.yaml'), denying('a'))
  const source = await open(context, { folder })
  const [replaced, first] = [nextSet(source), source.current.revision]
  replaceFile(join(folder, 'a.yaml'), denying('a2'))
  assert.deepEqual(namesOf(await replaced), ['a2'])
  assert.notEqual(source.current.revision, first)

  const added = nextSet(source)
  writeFileSync(join(folder, 'b.json'), denying('b'))
  assert.deepEqual(namesOf(await added), ['a2', 'b'])

  const removed = nextSet(source)
  rmSync(join(folder, 'a.yaml'))
  assert.deepEqual(namesOf(await removed), ['b'])
})

test('keeps the last good set while a document is invalid, and reports it once', async (context) => {
  const folder = createFolder(context)
  const file = join(folder, 'a.yaml')
  writeFileSync(file, denying('good'))
  const source = await open(context, { files: [file], pollInterval: 1000 })
  const notices: PolicyNotice[] = []
  source.onNotice((notice) => notices.push(notice))

  const refused = nextNotice(source, 'refused')
  replaceFile(file, 'version: 1\npolicies:\n  - name: bad\n')
  const { code, detail } = await refused
  assert.equal(code, 'document_invalid')
  assert.match(detail, /^a\.yaml:3:5: policies\[0\]: found no action/)
  assert.deepEqual(namesOf(source.current), ['good'])
  // Another file with the same content, and two polls.
  replaceFile(file, 'version: 1\npolicies:\n  - name: bad\n')
  await wait(2500)
  assert.deepEqual(
    notices.map(({ outcome }) => outcome),
    ['refused'],
  )
  const late: PolicyNotice[] = []
  source.onNotice((notice) => late.push(notice))
  assert.deepEqual(late, notices)

  const recovered = nextNotice(source, 'recovered')
  replaceFile(file, denying('good'))
  await recovered
  assert.deepEqual(
    notices.map(({ outcome }) => outcome),
    ['refused', 'recovered'],
  )
  source.onNotice(() => assert.fail('there is nothing left to report'))
})

test('refuses an emptied folder, a missing document and one that is cut off to nothing', async (context) => {
  const changes: readonly (readonly [code: string, change: (folder: string) => void])[] = [
    ['file_unsuitable', (folder) => rmSync(join(folder, 'a.yaml'))],
    ['file_unsuitable', (folder) => truncateSync(join(folder, 'a.yaml'))],
    ['file_missing', (folder) => rmSync(folder, { recursive: true })],
    ['document_invalid', (folder) => writeFileSync(join(folder, 'b.yaml'), denying('good'))],
  ]
  for (const [code, change] of changes) {
    const folder = createFolder(context)
    writeFileSync(join(folder, 'a.yaml'), denying('good'))
    const source = await open(context, { folder })
    const refused = nextNotice(source, 'refused')
    change(folder)
    assert.equal((await refused).code, code)
    assert.deepEqual(namesOf(source.current), ['good'])
  }
})

test('does not report a document that is missing for a moment', async (context) => {
  const file = join(createFolder(context), 'a.yaml')
  writeFileSync(file, denying('a'))
  const source = await open(context, file)
  source.onNotice(({ detail }) => assert.fail(detail))
  rmSync(file)
  await wait(120)
  const updated = nextSet(source)
  writeFileSync(file, denying('b'))
  assert.deepEqual(namesOf(await updated), ['b'])
})

test('never uses a document that is still being written', async (context) => {
  const file = join(createFolder(context), 'a.yaml')
  const lines = [
    'version: 1',
    'policies:',
    ...Array.from({ length: 12 }, (_, index) => `  - { name: p${index}, action: DENY }`),
  ]
  writeFileSync(file, denying('old'))
  const source = await open(context, file)
  const sets: PolicySet[] = []
  source.onUpdate((set) => sets.push(set))
  const updated = nextSet(source)
  // Valid after each line, and with pauses longer than those after which a change counts as complete.
  for (let count = 3; count <= lines.length; count += 1) {
    writeFileSync(file, `${lines.slice(0, count).join('\n')}\n`)
    await wait(120)
  }
  await updated
  assert.deepEqual(sets.map(namesOf), [Array.from({ length: 12 }, (_, index) => `p${index}`)])
})

test('notices a change that has no notification and the same size and time', async (context) => {
  const folder = createFolder(context)
  const file = join(folder, 'a.yaml')
  writeFileSync(file, denying('one'))
  utimesSync(file, 1000, 1000)
  const source = await open(context, { files: [file], pollInterval: '1s' })
  const updated = nextSet(source)
  writeFileSync(file, denying('two'))
  utimesSync(file, 1000, 1000)
  assert.deepEqual(namesOf(await updated), ['two'])
})

test('reports no update if only the names of hidden and other files change', async (context) => {
  const folder = createFolder(context)
  writeFileSync(join(folder, 'a.yaml'), denying('a'))
  const source = await open(context, { folder, pollInterval: 1000 })
  source.onUpdate(() => assert.fail('nothing has changed'))
  source.onNotice(({ detail }) => assert.fail(detail))
  for (const name of ['.a.yaml', '..b.yaml', 'a.yaml~', 'README.md', '.a.yaml.swp']) {
    writeFileSync(join(folder, name), 'version: 2')
  }
  mkdirSync(join(folder, 'more'))
  await wait(2000)
})

test('a source that is closed keeps its set and calls no listener', async (context) => {
  const folder = createFolder(context)
  writeFileSync(join(folder, 'a.yaml'), denying('a'))
  const source = await open(context, { folder, pollInterval: 1000 })
  source.onUpdate(() => assert.fail('the source is closed'))
  source.onNotice(() => assert.fail('the source is closed'))
  writeFileSync(join(folder, 'a.yaml'), denying('b'))
  await wait(300)
  await source.close()
  await wait(1500)
  assert.deepEqual(namesOf(source.current), ['a'])
})
