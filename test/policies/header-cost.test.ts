import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { RequestPolicyFacts } from '../../packages/core/src/request-policy-facts.ts'
import { factsOf, isMatch } from './request-of.ts'

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

const line = (elements: number): string => Array.from({ length: elements }, () => 'b').join()
const many: readonly (readonly [what: string, lines: readonly string[], isCompared: boolean])[] = [
  ['256 lines', Array.from({ length: 256 }, () => 'b'), true],
  ['257 lines', Array.from({ length: 257 }, () => 'b'), false],
  ['256 elements', [line(256)], true],
  ['257 elements', [line(257)], false],
  ['257 elements in two lines', ['b', line(256)], false],
]

for (const [what, lines, isCompared] of many) {
  test(`${isCompared ? 'compares' : 'does not compare'} ${what} of a header`, () => {
    const facts = factsOf({ headers: lines.map((text) => ['x-a', text]) })
    for (const condition of [{ values: ['a'] }, { notValues: ['b', 'b*'] }]) {
      const when = [{ header: 'x-a', ...condition }]
      assert.equal(isMatch({ action: 'DENY', when }, { facts }), !isCompared)
    }
    const when = [{ header: 'x-a', notValues: ['a'] }]
    assert.equal(isMatch({ action: 'ALLOW', when }, { facts }), isCompared && lines.length === 1)
  })
}
