import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { RequestPolicyFacts } from '../../packages/core/src/request-policy-facts.ts'

// A caller chooses how long the headers of its request are, and how many there are.

test('splits a line with a very long run of spaces in linear time', async () => {
  // In a process that can be ended: in quadratic time, this takes about an hour.
  const source = `
    import { splitHeaderLine } from './policy/header-condition.js'
    const elements = splitHeaderLine('a,\\t b' + ' '.repeat(2_000_000) + 'c \\t,')
    console.log(elements.map(({ length }) => length).join())
  `
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    cwd: new URL('../../packages/authorization/dist', import.meta.url),
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 60_000,
  })
  const [printed] = await Promise.all([text(child.stdout), once(child, 'close')])
  assert.equal(printed.trim(), '1,2000002')
})

test('reads the headers of a request once, however many policies compare them', () => {
  let reads = 0
  const lines = Array.from({ length: 2000 }, (_, index) => (index % 2 === 0 ? `X-Header-${(index / 2) % 10}` : 'value'))
  const rawHeaders = new Proxy(lines, {
    get: (target, key, receiver): unknown => {
      reads += 1
      return Reflect.get(target, key, receiver)
    },
  })
  const facts = new RequestPolicyFacts({ httpVersionMajor: 1, headers: {}, rawHeaders, socket: {} }, () => ({
    socket: {},
    kind: 'direct',
  }))
  assert.equal(reads, 0)
  for (let policy = 0; policy < 100; policy += 1) {
    assert.equal(facts.headerLines(`x-header-${policy % 10}`).length, 100)
    assert.deepEqual(facts.headerLines('x-other'), [])
  }
  assert.ok(reads < 4 * lines.length, `${reads} reads`)
})
