import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileRules } from '../../packages/core/src/decision/rules.ts'
import { exactReading } from '../../packages/core/src/decision/reading.ts'
import { Recent } from '../../packages/core/src/decision/recent.ts'
import { createTargetParser } from '../../packages/core/src/decision/target.ts'

test('remembers what is kept, and nothing of long texts', () => {
  const recent = new Recent<number>()
  assert.equal(recent.keep('/a', 1), 1)
  assert.equal(recent.find('/a'), 1)
  const long = `/${'a'.repeat(256)}`
  assert.equal(recent.keep(long, 2), 2)
  assert.equal(recent.find(long), undefined)
})

test('begins anew once it is full', () => {
  const recent = new Recent<number>()
  for (let index = 0; index < 16_384; index += 1) recent.keep(`/${index}`, index)
  assert.equal(recent.find('/0'), 0)
  recent.keep('/one-more', 1)
  assert.deepEqual([recent.find('/0'), recent.find('/one-more')], [undefined, 1])
})

test('a target is read the same the second time, and refused the second time', () => {
  const parse = createTargetParser(new Set(['GET']))
  const plain = { method: 'GET', httpVersionMajor: 1, rawHeaders: ['Host', 'a'] }
  for (const url of ['/a', '/a?b=c', '/%C3%A9', '/a//b', '/a/../b', '/%2e', '/a#b']) {
    assert.deepEqual(parse({ ...plain, url }), parse({ ...plain, url }), url)
  }
  const first = parse({ ...plain, url: '/a' })
  assert.equal(parse({ ...plain, url: '/a' }), first)
  // What was read of a request with a good host excuses no bad one.
  assert.equal(parse({ ...plain, url: '/a', rawHeaders: [] }).accepted, false)
  assert.equal(parse({ ...plain, url: '/a', method: 'BREW' }).accepted, false)
})

test('what is remembered of one method or reading is not taken for another', () => {
  const rules = compileRules(
    [
      { path: '/a', methods: ['POST'], allow: { denyAll: true } },
      { path: '/a', allow: { permitAll: true } },
    ],
    { localTrustDomain: 'saas.example' },
  )
  const target = { accepted: true, path: '/a', mayFold: false } as const
  const folding = { foldCase: 'ascii', foldTrailingSlash: true } as const
  const upper = { accepted: true, path: '/A', mayFold: true } as const
  for (let round = 0; round < 2; round += 1) {
    assert.equal(rules.find('POST', target, exactReading)?.index, 0)
    assert.equal(rules.find('GET', target, exactReading)?.index, 1)
    assert.equal(rules.find('GET', upper, exactReading), undefined)
    assert.equal(rules.find('GET', upper, folding)?.index, 1)
  }
})
