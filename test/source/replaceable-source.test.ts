import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  createMaterial,
  createReplaceableSource,
  type ReplaceableSource,
  SourceError,
  type SourceErrorCode,
  type X509Material,
} from '@countersign/core'
import { type Authority, createAuthority, type TestSvid } from '@countersign/testkit'

const spiffeId = 'spiffe://saas.example/ns/production/sa/core-api'
const authority = await createAuthority('saas.example')
const partner = await createAuthority('partner.example')
const svid = await authority.issue(spiffeId)
const withdrawn = new SourceError('source_empty', 'withdrawn')

/** New material objects, as from every reload. */
function load(own: TestSvid = svid, partners: readonly Authority[] = [partner]): X509Material {
  const bundles = Object.fromEntries([authority, ...partners].map((each) => [each.trustDomain, each.bundlePem]))
  return createMaterial({ key: own.keyPem, cert: own.certificatePem, bundles })
}

/** All updates that a listener of this source receives. */
function listen(source: ReplaceableSource): readonly X509Material[] {
  const updates: X509Material[] = []
  source.onUpdate((material) => updates.push(material))
  return updates
}

function failsWith(source: ReplaceableSource, code: SourceErrorCode): void {
  assert.throws(
    () => source.current,
    (error) => error instanceof SourceError && error.code === code,
  )
}

test('returns its first material, the same object each time', () => {
  const material = load()
  const source = createReplaceableSource(material)
  assert.equal(source.current, material)
  assert.equal(source.current, material)
})

test('notifies no listener and keeps the same object if nothing changed', () => {
  const material = load()
  const source = createReplaceableSource(material)
  const updates = listen(source)
  source.replace(load())
  source.replace(material)
  assert.equal(source.current, material)
  assert.equal(updates.length, 0)
})

test('notifies its listeners of a new SVID once, and keeps the bundle objects', async () => {
  const first = load()
  const source = createReplaceableSource(first)
  const updates = listen(source)
  const next = await authority.issue(spiffeId)
  source.replace(load(next))
  assert.deepEqual(
    updates.map((material) => material.svid.serialNumber),
    [next.serialNumber],
  )
  assert.equal(updates[0], source.current)
  for (const name of ['saas.example', 'partner.example']) {
    assert.equal(source.current.bundles.get(name), first.bundles.get(name))
  }
})

test('creates a new object only for the bundle that changed', async () => {
  const first = load()
  const source = createReplaceableSource(first)
  const updates = listen(source)
  source.replace(load(svid, [await createAuthority('partner.example')]))
  assert.equal(updates.length, 1)
  assert.equal(source.current.svid, first.svid)
  assert.equal(source.current.bundles.get('saas.example'), first.bundles.get('saas.example'))
  assert.notEqual(source.current.bundles.get('partner.example'), first.bundles.get('partner.example'))
})

test('drops a bundle that was removed, and adds a new one', () => {
  const source = createReplaceableSource(load())
  const updates = listen(source)
  source.replace(load(svid, []))
  assert.deepEqual([...source.current.bundles.keys()], ['saas.example'])
  source.replace(load())
  assert.deepEqual([...source.current.bundles.keys()], ['saas.example', 'partner.example'])
  assert.equal(updates.length, 2)
})

test('rejects a value that is not material, and keeps its own', () => {
  const material = load()
  const source = createReplaceableSource(material)
  const replace: unknown = Reflect.get(source, 'replace')
  assert.ok(typeof replace === 'function')
  for (const found of [undefined, {}, { svid: material.svid }]) {
    assert.throws(() => Reflect.apply(replace, source, [found]), { code: 'option_invalid' })
    assert.equal(source.current, material)
  }
})

test('has no material after it is withdrawn, until it is replaced by any material', () => {
  const material = load()
  const source = createReplaceableSource(material)
  const updates = listen(source)
  source.withdraw(withdrawn)
  assert.throws(() => source.current, withdrawn)
  source.replace(load())
  assert.equal(source.current, material)
  assert.equal(updates.length, 1)
})

test('does not notify a removed listener, even if it removes itself', async () => {
  const source = createReplaceableSource(load())
  const calls: string[] = []
  const stop = source.onUpdate(() => {
    calls.push('once')
    stop()
  })
  source.onUpdate(() => calls.push('always'))
  source.replace(load(await authority.issue(spiffeId)))
  source.replace(load(await authority.issue(spiffeId)))
  assert.deepEqual(calls, ['once', 'always', 'always'])
})

test('has no material and notifies no listener after it is closed, whatever happens afterwards', async () => {
  const source = createReplaceableSource(load())
  const updates = listen(source)
  await source.close()
  failsWith(source, 'source_closed')
  source.replace(load(await authority.issue(spiffeId)))
  failsWith(source, 'source_closed')
  source.withdraw(withdrawn)
  failsWith(source, 'source_closed')
  assert.equal(updates.length, 0)
})

test('notifies no listener that is added after it is closed', async () => {
  const source = createReplaceableSource(load())
  await source.close()
  const updates = listen(source)
  source.replace(load(await authority.issue(spiffeId)))
  assert.equal(updates.length, 0)
})

test('can be closed twice, and by leaving a scope', async () => {
  const source = createReplaceableSource(load())
  await source[Symbol.asyncDispose]()
  await source.close()
  failsWith(source, 'source_closed')
})
