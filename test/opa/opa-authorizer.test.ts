import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import test, { type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Authorizer, type AuthorizerQuestion, ConfigurationError } from '@countersign/core'
import { opaAuthorizer, type OpaOptions } from '@countersign/policy/opa'

const pathOf = (name: string): string => fileURLToPath(new URL(`../vectors/opa/${name}.wasm`, import.meta.url))
const grants = [{ caller: 'orders', prefix: '/open' }]
const policy = { wasm: pathOf('policy'), data: { grants } }

const orders = { name: 'spiffe://saas.example/ns/production/sa/orders', serviceAccount: 'orders' }
const question: AuthorizerQuestion = {
  principal: { ...orders, authorities: [], credential: 'x509-svid' },
  method: 'GET',
  path: '/open/a',
  host: 'a',
  headers: { 'x-size': ['10'], 'x-line': ['yes'] },
}

function load(entrypoint: string, options: Partial<OpaOptions> = {}): Promise<Authorizer> {
  return opaAuthorizer({ ...policy, entrypoint: `countersign/${entrypoint}`, ...options })
}

function ask({ decide }: Authorizer, about: Partial<AuthorizerQuestion> = {}): unknown {
  return decide({ ...question, ...about }, { signal: new AbortController().signal })
}

test('decides by the policy and its data, for every kind of decision', async () => {
  const allow = await load('allow')
  assert.equal(ask(allow), true)
  assert.equal(ask(allow, { path: '/closed' }), false)
  assert.equal(ask(allow, { principal: null }), false)
  assert.equal(ask(await load('allow', { data: { grants: [] } })), false)
  assert.equal(ask(await load('allow', { data: {} })), false)
  const decision = await load('decision')
  assert.deepEqual(ask(decision), { allow: true })
  assert.deepEqual(ask(decision, { path: '/closed' }), { allow: false, reason: 'no grant covers the path' })
  assert.equal(ask(await load('timely')), true)
})

test('a decision that the policy does not define is undefined', async () => {
  const partial = await load('without_default')
  assert.equal(ask(partial), true)
  assert.equal(ask(partial, { path: '/closed' }), undefined)
})

test('throws for a malformed decision, and for an error of the policy', async () => {
  const malformed = await load('malformed')
  assert.throws(() => ask(malformed))
  const conflicting = await load('conflicting')
  assert.equal(ask(conflicting), true)
  assert.throws(() => ask(conflicting, { headers: { 'x-line': ['yes', 'no'] } }), /conflict/)
  assert.equal(ask(conflicting), true)
})

test('a decision that needs more memory than allowed fails, and later ones do not', async () => {
  const hungry = await load('hungry', { maxMemory: 8 * 1024 * 1024 })
  const of = (size: number): Partial<AuthorizerQuestion> => ({ headers: { 'x-size': [String(size)] } })
  assert.equal(ask(hungry), true)
  for (let count = 0; count < 3; count += 1) {
    assert.throws(() => ask(hungry, of(1_000_000)))
    assert.throws(() => ask(hungry, { path: `/open/${'x'.repeat(9_000_000)}` }))
    assert.equal(ask(hungry), true)
    assert.equal(ask(hungry, { path: '/closed' }), undefined)
  }
})

test('an instance is replaced once it has grown, because its memory never shrinks', async (context) => {
  const created = countInstances(context)
  const hungry = await load('hungry')
  const of = (size: number): Partial<AuthorizerQuestion> => ({ headers: { 'x-size': [String(size)] } })
  for (const size of [1, 100, 10, 100]) assert.equal(ask(hungry, of(size)), true)
  assert.equal(created(), 1)
  for (const size of [100_000, 10, 100_000, 10]) assert.equal(ask(hungry, of(size)), true)
  assert.equal(created(), 3)
})

test('accepts the bytes of a policy, and needs no entry point if there is one', async () => {
  const wasm = await readFile(pathOf('host'))
  const sprintf = (_format: unknown, values: unknown): string => `denied: ${JSON.stringify(values)}`
  const host = await opaAuthorizer({ wasm, builtins: { sprintf } })
  assert.deepEqual(ask(host), { allow: false, reason: `denied: ["${orders.name}","/open/a"]` })
})

test('a built-in function that throws or returns a promise fails, and one without a result is undefined', async () => {
  const builtins: readonly (() => unknown)[] = [() => assert.fail('down'), async () => 'later']
  for (const sprintf of builtins) {
    const host = await opaAuthorizer({ wasm: pathOf('host'), builtins: { sprintf } })
    assert.throws(() => ask(host))
  }
  assert.equal(ask(await opaAuthorizer({ wasm: pathOf('host'), builtins: { sprintf: () => undefined } })), undefined)
})

test('passes the other options on', async () => {
  const { name, timeout, headers } = await load('allow', { name: 'grants', timeout: '5s', headers: ['x-size'] })
  assert.deepEqual({ name, timeout, headers }, { name: 'grants', timeout: '5s', headers: ['x-size'] })
  assert.equal((await load('allow')).name, 'opa')
})

const cyclic: Record<string, unknown> = {}
cyclic['self'] = cyclic

const refused: readonly (readonly [string, object, RegExp])[] = [
  ['a built-in function of the host', { wasm: pathOf('host') }, /sprintf/],
  ['several of them', { wasm: pathOf('clock') }, /time\.now_ns.*http\.send|http\.send.*time\.now_ns/],
  ['no entry point, of several', policy, /one of .*countersign\/allow/],
  ['an entry point that is not in the policy', { ...policy, entrypoint: 'countersign/alow' }, /countersign\/allow/],
  ['an entry point of the prototype', { ...policy, entrypoint: 'constructor' }, /constructor/],
  ['a file that does not exist', { wasm: pathOf('missing') }, /ENOENT/],
  ['bytes that are not WebAssembly', { wasm: new Uint8Array(100) }, /magic/i],
  ['WebAssembly that is not a policy', { wasm: Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0) }, /policy/],
  ['a number', { wasm: 1 }, /policy\.wasm/],
  ['more data than memory', { ...policy, data: { a: 'x'.repeat(3_000_000) }, maxMemory: 2 * 1024 * 1024 }, /malloc/],
  ['data that has no JSON', { ...policy, data: cyclic }, /data/],
  ['data that is a list', { ...policy, data: [] }, /data/],
  ['too little memory', { ...policy, maxMemory: 1000 }, /maxMemory/],
  ['a built-in that is not a function', { ...policy, builtins: { sprintf: 1 } }, /builtins\.sprintf/],
  ['an unknown option', { ...policy, bundle: 'x' }, /bundle/],
]

for (const [what, options, message] of refused) {
  test(`refuses ${what}`, async () => {
    await assert.rejects(
      async () => loadAny(options),
      (error) => error instanceof ConfigurationError && message.test(error.message),
    )
  })
}

/** Counts the instances that are created from now on. */
function countInstances(context: TestContext): () => number {
  const api: unknown = Reflect.get(globalThis, 'WebAssembly')
  assert.ok(typeof api === 'object' && api !== null && 'Instance' in api)
  const { Instance } = api
  assert.ok(isConstructor(Instance))
  const created = context.mock.fn(function construct(...given: readonly unknown[]): object {
    return Reflect.construct(Instance, given)
  })
  Object.defineProperty(api, 'Instance', { value: created, configurable: true, writable: true })
  context.after(() => Object.defineProperty(api, 'Instance', { value: Instance, configurable: true, writable: true }))
  return () => created.mock.callCount()
}

function isConstructor(value: unknown): value is new (...given: readonly unknown[]) => object {
  return typeof value === 'function'
}

function loadAny(options: object): Promise<unknown> {
  return Promise.resolve<unknown>(Reflect.apply(opaAuthorizer, undefined, [options]))
}
