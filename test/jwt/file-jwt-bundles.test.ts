import assert from 'node:assert/strict'
import { rmSync, symlinkSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { CertificateError, ConfigurationError, SourceError, type SourceNotice } from '@countersign/spiffe'
import { fileJwtBundles, type NoticingJwtBundleSource } from '@countersign/spiffe/jwt'
import { createFolder, replaceFile, swapData } from '../source/files.ts'
import { waitForEvent } from '../support/wait-for-event.ts'
import { createSigner, toDocument } from './tokens.ts'

const first = createSigner('first')
const second = createSigner('second')

test('reads one bundle document for each trust domain, and follows a file that is replaced', async (context) => {
  const { source, own } = await open(context)
  const partner = source.current().get('partner.example')
  assert.deepEqual(keysOf(source), { 'saas.example': ['first'], 'partner.example': ['second'] })

  const changed = nextChange(source)
  replaceFile(own, toDocument(first, second))
  await changed
  assert.deepEqual(keysOf(source), { 'saas.example': ['first', 'second'], 'partner.example': ['second'] })
  assert.equal(source.current().get('partner.example'), partner)
})

test('follows the swap of a link, as in Kubernetes', async (context) => {
  const folder = createFolder(context)
  const write = (generation: string, document: string): void => {
    mkdirSync(join(folder, generation))
    writeFileSync(join(folder, generation, 'bundle.json'), document)
  }
  write('..1', toDocument(first))
  symlinkSync('..1', join(folder, '..data'))
  symlinkSync('..data/bundle.json', join(folder, 'bundle.json'))
  const source = await fileJwtBundles({ 'saas.example': join(folder, 'bundle.json') })
  context.after(() => source.close())

  const changed = nextChange(source)
  write('..2', toDocument(second))
  swapData(folder, '..2')
  await changed
  assert.deepEqual(keysOf(source), { 'saas.example': ['second'] })
})

const failures: readonly (readonly [what: string, spoil: (path: string) => void, code: string])[] = [
  ['broken', (path) => replaceFile(path, '{"keys":['), 'bundle_malformed'],
  [
    'without a usable key',
    (path) => replaceFile(path, toDocument(createSigner('weak', 'RSA-1024'))),
    'authority_unusable',
  ],
  ['missing', (path) => rmSync(path), 'file_missing'],
]

for (const [what, spoil, code] of failures) {
  test(`keeps the last good bundle of a file that is ${what}, and reports it and the recovery`, async (context) => {
    const { source, own } = await open(context)
    const before = source.current()
    const refused = nextNotice(source, 'refused')
    spoil(own)
    const notice = await refused
    assert.deepEqual([notice.code, notice.trustDomain], [code, 'saas.example'])
    assert.ok(notice.detail.includes(own) && notice.detail.includes('stays in use'), notice.detail)
    assert.equal(source.current(), before)

    const recovered = nextNotice(source, 'recovered')
    replaceFile(own, toDocument(second))
    assert.equal((await recovered).trustDomain, 'saas.example')
    assert.deepEqual(keysOf(source)['saas.example'], ['second'])
  })
}

test('a bundle that cannot be read at startup affects only its own trust domain', async (context) => {
  const folder = createFolder(context)
  writeFileSync(join(folder, 'own.json'), toDocument(first))
  const source = await fileJwtBundles({
    'saas.example': join(folder, 'own.json'),
    'partner.example': join(folder, 'partner.json'),
  })
  context.after(() => source.close())

  assert.deepEqual(keysOf(source), { 'saas.example': ['first'], 'partner.example': [] })
  const notice = await nextNotice(source, 'warning')
  assert.deepEqual([notice.code, notice.trustDomain], ['file_missing', 'partner.example'])
  const changed = nextChange(source)
  writeFileSync(join(folder, 'partner.json'), toDocument(second))
  await changed
  assert.deepEqual(keysOf(source)['partner.example'], ['second'])
})

test('a bundle that revokes everything is read, not refused', async (context) => {
  const { source, own } = await open(context)
  const changed = nextChange(source)
  replaceFile(own, '{"keys":[]}')
  await changed

  assert.deepEqual(keysOf(source)['saas.example'], [])
})

test('does not start without a single readable bundle', async (context) => {
  const folder = createFolder(context)
  const path = join(folder, 'bundle.json')
  const codeOf = async (): Promise<unknown> => fileJwtBundles({ 'saas.example': path }).catch((error: unknown) => error)

  const missing = await codeOf()
  assert.ok(missing instanceof SourceError && missing.code === 'file_missing', String(missing))
  writeFileSync(path, '-----BEGIN CERTIFICATE-----')
  const malformed = await codeOf()
  assert.ok(malformed instanceof CertificateError && malformed.code === 'bundle_malformed', String(malformed))
})

test('refuses options that are not paths by trust domain', async () => {
  const wrong: readonly (readonly unknown[])[] = [
    [undefined],
    [{}],
    ['bundle.json'],
    [{ 'SAAS.example': 'bundle.json' }],
    [{ 'saas.example': 1 }],
    [{ 'saas.example': '' }],
    [{ 'saas.example': Buffer.from('{}') }],
    [{ 'saas.example': 'bundle.json' }, { pollMs: 1 }],
    [{ 'saas.example': 'bundle.json' }, { poll: 1000 }],
  ]
  for (const given of wrong) {
    await assert.rejects(async () => {
      await Reflect.apply(fileJwtBundles, undefined, given)
    }, ConfigurationError)
  }
})

test('has no bundles after it is closed', async (context) => {
  const { source, own } = await open(context)
  await source.close()
  replaceFile(own, toDocument(second))

  assert.equal(source.current().size, 0)
})

async function open(context: TestContext): Promise<{ readonly source: NoticingJwtBundleSource; readonly own: string }> {
  const folder = createFolder(context)
  const own = join(folder, 'saas.json')
  const partner = join(folder, 'partner.json')
  writeFileSync(own, toDocument(first))
  writeFileSync(partner, toDocument(second))
  const source = await fileJwtBundles({ 'saas.example': own, 'partner.example': partner }, { pollMs: 1000 })
  context.after(() => source.close())
  return { source, own }
}

function keysOf(source: NoticingJwtBundleSource): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries([...source.current()].map(([name, { keyIds }]) => [name, keyIds]))
}

function nextChange(source: NoticingJwtBundleSource): Promise<undefined> {
  return waitForEvent<undefined>(
    (listener) => source.onChange(() => listener(undefined)),
    () => true,
  )
}

function nextNotice(source: NoticingJwtBundleSource, outcome: SourceNotice['outcome']): Promise<SourceNotice> {
  return waitForEvent(
    (listener) => source.onNotice(listener),
    (notice) => notice.outcome === outcome,
  )
}
