import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { createAsking, questionOf } from './questions.ts'

interface Pending {
  readonly signal: AbortSignal
  readonly resolve: (allow: boolean) => void
}

/** An authorizer whose answers the test gives. */
function holdAnswers(): {
  readonly decide: (_: unknown, call: { signal: AbortSignal }) => Promise<boolean>
  readonly pending: Pending[]
} {
  const pending: Pending[] = []
  const decide = (_: unknown, { signal }: { signal: AbortSignal }): Promise<boolean> =>
    new Promise((resolve) => pending.push({ signal, resolve }))
  return { decide, pending }
}

function takeTimers(context: TestContext): (milliseconds: number) => void {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  return (milliseconds) => context.mock.timers.tick(milliseconds)
}

test('a call that does not answer in time fails, its signal is aborted, and a later answer does not count', async (context) => {
  const pass = takeTimers(context)
  const { decide, pending } = holdAnswers()
  const verdict = createAsking({ decide, timeout: '250ms' }).ask(questionOf('orders'))
  pass(249)
  assert.equal(pending[0]?.signal.aborted, false)
  pass(1)
  assert.equal(pending[0]?.signal.aborted, true)
  pending[0]?.resolve(true)
  assert.equal((await verdict).outcome, 'failed')
})

test('an answer at once that took too long does not count', () => {
  const asking = createAsking({
    decide: () => {
      asking.clock.steady += 1001
      return true
    },
  })
  assert.deepEqual(asking.ask(questionOf('orders')), {
    outcome: 'failed',
    detail: 'it did not answer within 1000 ms',
  })
})

test('limits the calls in flight, in all and of one caller', async () => {
  const { decide, pending } = holdAnswers()
  const asking = createAsking({ decide, maxConcurrent: 5, maxConcurrentPerCaller: 2 })
  const first = [asking.ask(questionOf('orders')), asking.ask(questionOf('orders'))]
  assert.equal((await asking.ask(questionOf('orders'))).outcome, 'failed')
  // All anonymous callers together.
  const others = [asking.ask(questionOf(null)), asking.ask(questionOf(null)), asking.ask(questionOf('reports'))]
  assert.equal((await asking.ask(questionOf(null))).outcome, 'failed')
  assert.equal((await asking.ask(questionOf('billing'))).outcome, 'failed')
  assert.equal(pending.length, 5)
  for (const { resolve } of pending) resolve(true)
  for (const verdict of [...first, ...others]) assert.equal((await verdict).outcome, 'allow')
  const again = asking.ask(questionOf('orders'))
  pending.at(-1)?.resolve(true)
  assert.equal((await again).outcome, 'allow')
  assert.equal(pending.length, 6)
})

test('a failed call, and one whose time is up, no longer count', async (context) => {
  const pass = takeTimers(context)
  const { decide, pending } = holdAnswers()
  let isFailing = true
  const asking = createAsking({
    maxConcurrent: 1,
    decide: (question, call) => {
      if (isFailing) throw new Error('down')
      return decide(question, call)
    },
  })
  for (let count = 0; count < 3; count += 1) {
    assert.match(JSON.stringify(await asking.ask(questionOf('orders'))), /it threw: down/)
  }
  isFailing = false
  const slow = asking.ask(questionOf('orders'))
  pass(1000)
  assert.equal((await slow).outcome, 'failed')
  const next = asking.ask(questionOf('orders'))
  // The late answer to the call before does not end this one.
  pending[0]?.resolve(true)
  await turn()
  assert.match(JSON.stringify(await asking.ask(questionOf('orders'))), /in flight/)
  pending[1]?.resolve(true)
  assert.equal((await next).outcome, 'allow')
})

test('a disconnect aborts the signal and does not make room for further calls', async (context) => {
  const pass = takeTimers(context)
  const { decide, pending } = holdAnswers()
  const asking = createAsking({ decide, maxConcurrentPerCaller: 1 })
  const departed = new AbortController()
  const verdict = asking.ask(questionOf('orders'), {}, departed.signal)
  departed.abort()
  assert.equal(pending[0]?.signal.aborted, true)
  assert.equal((await verdict).outcome, 'failed')
  assert.equal((await asking.ask(questionOf('orders'))).outcome, 'failed')
  assert.equal(pending.length, 1)
  pass(1000)
  void asking.ask(questionOf('orders'))
  assert.equal(pending.length, 2)
})

const cache = { key: ({ method, path }: { method: string; path: string }) => [method, path], ttl: '10s' }

test('keeps answers for their time on either clock, from when they were asked for', async () => {
  const moves = {
    steady: { steady: 9999, wall: 0 },
    wall: { steady: 0, wall: 9999 },
    both: { steady: 9999, wall: 9999 },
  }
  for (const [name, { steady, wall }] of Object.entries(moves)) {
    let asked = 0
    const asking = createAsking({
      cache,
      decide: () => {
        asked += 1
        return asked === 1
      },
    })
    assert.equal((await asking.ask(questionOf('orders'))).outcome, 'allow')
    asking.clock.steady += steady
    asking.clock.wall += wall
    assert.equal((await asking.ask(questionOf('orders'))).outcome, 'allow', name)
    if (steady > 0) asking.clock.steady += 1
    else asking.clock.wall += 1
    assert.equal((await asking.ask(questionOf('orders'))).outcome, 'deny', name)
  }
})

test('an answer counts from when it was asked for, however long it took', async () => {
  const { decide, pending } = holdAnswers()
  const asking = createAsking({ cache, decide, timeout: '1m' })
  const verdict = asking.ask(questionOf('orders'))
  asking.clock.steady += 10_000
  pending[0]?.resolve(true)
  assert.equal((await verdict).outcome, 'allow')
  const next = asking.ask(questionOf('orders'))
  assert.equal(pending.length, 2)
  pending[1]?.resolve(false)
  assert.equal((await next).outcome, 'deny')
})

test('no caller, proof or revision gets the answer to another, whatever the key states', async () => {
  let asked = 0
  const asking = createAsking({ cache: { key: () => [], ttl: '10s' }, decide: () => (asked += 1) > 0 })
  const orders = questionOf('orders')
  const { principal } = orders
  const others = [
    questionOf('reports'),
    questionOf(null),
    { ...orders, revision: 'b' },
    { ...orders, principal: principal === null ? null : { ...principal, credential: 'forwarded' as const } },
    { ...orders, principal: principal === null ? null : { ...principal, authorities: [] } },
  ]
  for (const question of [orders, ...others, orders]) await asking.ask(question)
  assert.equal(asked, 6)
  await asking.ask(orders, { generation: 2 })
  await asking.ask(orders, { proxy: 'spiffe://saas.example/proxy' })
  assert.equal(asked, 8)
})

test('two keys are the same only if their parts are', async () => {
  const asked: string[] = []
  const asking = createAsking({
    cache: { key: ({ path }) => path.split('|'), ttl: '10s' },
    decide: ({ path }) => {
      asked.push(path)
      return true
    },
  })
  for (const path of ['a|b', 'a', 'ab', 'a","b', 'a|b']) await asking.ask(questionOf('orders', { path }))
  assert.deepEqual(asked, ['a|b', 'a', 'ab', 'a","b'])
})

test('keeps no failure and no undefined answer', async () => {
  for (const first of [() => assert.fail('down'), () => undefined, () => Promise.reject(new Error('down'))]) {
    let asked = 0
    const asking = createAsking({
      cache,
      decide: () => {
        asked += 1
        return asked === 1 ? first() : true
      },
    })
    assert.notEqual((await asking.ask(questionOf('orders'))).outcome, 'allow')
    assert.equal((await asking.ask(questionOf('orders'))).outcome, 'allow')
  }
})

test('a cache is bounded in entries and bytes, and drops the answer that was used longest ago', async () => {
  const asked: string[] = []
  const asking = createAsking({
    cache: { ...cache, maxEntries: 2, maxBytes: 10_000 },
    decide: ({ path }) => {
      asked.push(path)
      return true
    },
  })
  const long = `/${'x'.repeat(9000)}`
  for (const path of ['/a', '/b', '/a', '/c', '/a', '/b', long, long]) await asking.ask(questionOf('orders', { path }))
  assert.deepEqual(asked, ['/a', '/b', '/c', '/b', long, long])
})

test('a key that is not a list of strings is a failure, and nothing is asked', async () => {
  for (const key of [() => assert.fail('no key'), () => 'text', () => [1], () => undefined]) {
    const asking = createAsking({ decide: () => assert.fail('asked'), cache: { ttl: 1000, key: returnAny(key) } })
    assert.match(JSON.stringify(await asking.ask(questionOf('orders'))), /not a list of strings/)
  }
})

function returnAny(key: () => unknown): () => never {
  const untyped: unknown = key
  assert.ok(isAny(untyped))
  return untyped
}

function isAny(value: unknown): value is () => never {
  return typeof value === 'function'
}
