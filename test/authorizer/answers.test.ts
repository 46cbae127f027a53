import assert from 'node:assert/strict'
import test from 'node:test'
import { inspect } from 'node:util'
import { createAsking, questionOf } from './questions.ts'
import { createThenable, createUnreadableThenable } from './thenable.ts'

const allowing: readonly unknown[] = [true, { allow: true }, { allow: true, reason: 'listed' }]

const denying: readonly unknown[] = [false, { allow: false }, { allow: false, reason: 'not listed' }]

const polluted: unknown = Object.create({ allow: true })

const malformed: readonly unknown[] = [
  null,
  1,
  'true',
  '',
  0,
  Number.NaN,
  1n,
  Symbol('allow'),
  [],
  [true],
  {},
  polluted,
  { allow: 'true' },
  { allow: 1 },
  { allow: null },
  { allow: [true] },
  { Allow: true },
  { allow: true, reason: 1 },
  { allow: true, obligations: [] },
  { result: true },
  { [Symbol('hidden')]: 1, allow: true },
  () => true,
  Object.assign(() => true, { allow: true }),
  new Map([['allow', true]]),
  new Boolean(true),
]

const throwing: readonly (readonly [string, () => unknown])[] = [
  ['an Error', () => assert.fail('down')],
  ['a string', () => raise('opa_malloc: failed')],
  ['undefined', () => raise(undefined)],
  ['null', () => raise(null)],
  ['an object that cannot be read', () => raise(unreadable())],
  ['a rejected promise', () => Promise.reject(new Error('down'))],
  ['a promise rejected with a string', () => rejectWith('down')],
  ['a promise rejected with what cannot be read', () => rejectWith(unreadable())],
  ['a getter that throws', () => Object.defineProperty({}, 'allow', { get: () => raise('no'), enumerable: true })],
  ['a then that cannot be read', () => createUnreadableThenable()],
  ['a then that throws', () => createThenable(() => raise('no'))],
  ['a proxy that throws', () => unreadable()],
  ['a promise of a promise that is rejected', async () => rejectWith('later')],
]

const forms: readonly (readonly [string, (value: unknown) => unknown])[] = [
  ['at once', (value) => value],
  ['as a promise', (value) => Promise.resolve(value)],
  ['as a thenable', (value) => createThenable((resolve) => resolve(value))],
]

for (const [form, wrap] of forms) {
  test(`an answer ${form}: allows only what says so exactly`, async () => {
    for (const value of allowing) assert.equal((await askFor(wrap(value))).outcome, 'allow', String(value))
    for (const value of denying) assert.equal((await askFor(wrap(value))).outcome, 'deny')
    for (const value of malformed) assert.equal((await askFor(wrap(value))).outcome, 'failed', describe(value))
    assert.equal((await askFor(wrap(undefined))).outcome, 'undefined')
  })
}

test('returns no promise unless the authorizer does', () => {
  const asking = createAsking({ decide: () => true })
  assert.deepEqual(asking.ask(questionOf('orders')), { outcome: 'allow' })
})

test('whatever is thrown is a failure', async () => {
  for (const [what, decide] of throwing) {
    const { outcome } = await createAsking({ decide: returnAny(decide) }).ask(questionOf('orders'))
    assert.equal(outcome, 'failed', what)
  }
})

test('a property that changes when it is read again is read once', async () => {
  let reads = 0
  const changing = Object.defineProperty({}, 'allow', { get: () => (reads += 1) > 1, enumerable: true })
  assert.equal((await askFor(changing)).outcome, 'deny')
  assert.equal(reads, 1)
})

test('a thenable that settles twice counts once, and what it throws afterwards does not count', async () => {
  const twice = createThenable((resolve, reject) => {
    resolve(false)
    resolve(true)
    reject(new Error('down'))
    raise('also this')
  })
  assert.equal((await askFor(twice)).outcome, 'deny')
})

test('keeps the reason of a denial, of bounded length, and reports what failed', async () => {
  assert.deepEqual(await askFor({ allow: false, reason: 'r'.repeat(1000) }), {
    outcome: 'deny',
    reason: 'r'.repeat(256),
  })
  assert.match(
    describeVerdict(await createAsking({ decide: () => raise('opa_malloc: failed') }).ask(questionOf('a'))),
    /opa_malloc/,
  )
  assert.ok(
    describeVerdict(await createAsking({ decide: () => raise('x'.repeat(5000)) }).ask(questionOf('a'))).length < 400,
  )
})

function askFor(value: unknown): ReturnType<ReturnType<typeof createAsking>['ask']> {
  return createAsking({ decide: returnAny(() => value) }).ask(questionOf('orders'))
}

// The answer of a program that TypeScript did not check.
function returnAny(decide: () => unknown): () => never {
  const untyped: unknown = decide
  assert.ok(isAny(untyped))
  return untyped
}

function isAny(value: unknown): value is () => never {
  return typeof value === 'function'
}

function raise(value: unknown): never {
  throw value
}

function rejectWith(value: unknown): Promise<never> {
  return new Promise((_resolve, reject) => reject(value))
}

function unreadable(): object {
  return new Proxy({}, { get: () => raise('no'), ownKeys: () => raise('no'), getPrototypeOf: () => raise('no') })
}

function describe(value: unknown): string {
  return inspect(value)
}

function describeVerdict(verdict: object): string {
  return JSON.stringify(verdict)
}
