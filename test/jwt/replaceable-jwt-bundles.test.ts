import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { ConfigurationError, type SourceNotice } from '@countersign/spiffe'
import { createReplaceableJwtBundles, JwtBundle, readJwtBundles } from '@countersign/spiffe/jwt'
import { mapOf } from './billing-token.ts'
import { createSigner, toDocument } from './tokens.ts'

const first = createSigner('first')
const second = createSigner('second')
const weak = createSigner('weak', 'RSA-1024')

function bundle(trustDomain: string, ...signers: readonly (typeof first)[]): JwtBundle {
  return JwtBundle.parse(trustDomain, toDocument(...signers))
}

test('has no bundles until its owner provides some', () => {
  const source = createReplaceableJwtBundles()

  assert.equal(source.current().size, 0)
})

test('notifies the listeners after a change, and keeps the bundles that did not change', () => {
  const source = createReplaceableJwtBundles(mapOf(bundle('saas.example', first), bundle('partner.example', first)))
  const before = source.current()
  const seen: (readonly string[])[] = []
  source.onChange(() => seen.push([...source.current().keys()]))
  const stop = source.onChange(() => assert.fail('it was removed'))
  stop()

  source.replace(mapOf(bundle('saas.example', first), bundle('partner.example', first)))
  assert.equal(source.current(), before)
  source.replace(mapOf(bundle('saas.example', first), bundle('partner.example', second)))
  assert.equal(source.current().get('saas.example'), before.get('saas.example'))
  assert.notEqual(source.current().get('partner.example'), before.get('partner.example'))
  source.replace(mapOf(bundle('saas.example', first)))
  assert.deepEqual(seen, [['saas.example', 'partner.example'], ['saas.example']])
})

test('reports the faults of a bundle once, and to later listeners while they last', () => {
  const source = createReplaceableJwtBundles(mapOf(bundle('saas.example', first, weak)))
  const notices = listen(source)
  source.replace(mapOf(bundle('saas.example', first, weak)))

  assert.deepEqual(
    notices.map(({ outcome, code, trustDomain }) => ({ outcome, code, trustDomain })),
    [{ outcome: 'warning', code: 'authority_unusable', trustDomain: 'saas.example' }],
  )
  assert.match(notices[0]?.detail ?? '', /keys\[1\].*1 key remains in use/)
  source.replace(mapOf(bundle('saas.example', first)))
  assert.deepEqual(listen(source), [])
})

test('forgets the faults of a trust domain that is removed', () => {
  const source = createReplaceableJwtBundles(mapOf(bundle('saas.example', first, weak)))
  source.replace(new Map())

  assert.deepEqual(listen(source), [])
})

test('a listener that throws does not keep the others on the old bundles', async () => {
  const program = `
    import { createReplaceableJwtBundles, JwtBundle } from '@countersign/spiffe/jwt'
    const source = createReplaceableJwtBundles()
    process.once('uncaughtException', ({ message }) => console.log(message))
    source.onChange(() => { throw new Error('of the listener') })
    source.onChange(() => console.log('told'))
    source.replace(new Map([['saas.example', JwtBundle.parse('saas.example', '{"keys":[]}')]]))`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
  })

  assert.equal(stdout, 'told\nof the listener\n')
})

test('has no bundles after it is closed, and accepts none', async () => {
  const source = createReplaceableJwtBundles(mapOf(bundle('saas.example', first)))
  let changes = 0
  source.onChange(() => (changes += 1))
  await source.close()
  source.replace(mapOf(bundle('saas.example', first)))
  source.notify({ outcome: 'warning', code: 'bundle_malformed', detail: 'too late' })

  assert.equal(source.current().size, 0)
  assert.equal(changes, 1)
})

test('refuses bundles under another name, and what is not a bundle', () => {
  const source = createReplaceableJwtBundles()
  const wrong: readonly unknown[] = [
    undefined,
    {},
    new Map([['partner.example', bundle('saas.example', first)]]),
    new Map([['saas.example', toDocument(first)]]),
  ]
  for (const bundles of wrong) {
    assert.throws(() => Reflect.apply(source.replace.bind(source), undefined, [bundles]), ConfigurationError)
  }
  assert.throws(() => Reflect.apply(source.onChange.bind(source), undefined, ['x']), ConfigurationError)
})

test('reads the bundles of an agent separately: an unreadable one has no keys and a fault', () => {
  const encoded = new Map([
    ['saas.example', toDocument(first)],
    ['partner.example', '{"keys":['],
    ['other.example', ''],
  ])
  const bundles = readJwtBundles(encoded)

  assert.deepEqual(
    [...bundles].map(([name, { keyIds, faults }]) => [name, keyIds, faults.map(({ code }) => code)]),
    [
      ['saas.example', ['first'], []],
      ['partner.example', [], ['bundle_malformed']],
      ['other.example', [], []],
    ],
  )
})

function listen(source: ReturnType<typeof createReplaceableJwtBundles>): readonly SourceNotice[] {
  const notices: SourceNotice[] = []
  source.onNotice((notice) => notices.push(notice))
  return notices
}
