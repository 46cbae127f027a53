import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRuleIndex } from '../../packages/authorization/src/rule-index.ts'
import { compileRules } from '../../packages/authorization/src/rules.ts'
import { exactSemantics, foldPattern, foldTarget } from '../../packages/authorization/src/path-semantics.ts'
import { BoundedCache, CacheMemory } from '../../packages/authorization/src/bounded-cache.ts'
import { createCachingParser, createTargetParser } from '../../packages/authorization/src/target.ts'
import { scale } from '../support/long.ts'

test('caches results, but not for long strings', () => {
  const recent = new BoundedCache<number>(new CacheMemory())
  assert.equal(
    recent.keep('/a', () => 1),
    1,
  )
  assert.equal(recent.find('/a'), 1)
  const longest = `/${'a'.repeat(255)}`
  recent.keep(longest, () => 2)
  assert.equal(recent.find(longest), 2)
  const long = `${longest}a`
  assert.equal(
    recent.keep(long, () => 3),
    3,
  )
  assert.equal(recent.find(long), undefined)
})

test('starts over once the shared memory is used up, whichever cache used it', () => {
  const memory = new CacheMemory(1000)
  const [first, second] = [new BoundedCache<number>(memory), new BoundedCache<number>(memory)]
  first.keep('/a', () => 1)
  const { bytes } = memory
  assert.ok(bytes > '/a'.length * 2)
  second.keep('/b', () => 2)
  assert.equal(memory.bytes, 2 * bytes)
  for (let index = 0; first.find('/a') !== undefined; index += 1) {
    second.keep(`/${index}`, () => index)
    assert.ok(memory.bytes <= 1000)
    assert.ok(index < 1000)
  }
  assert.equal(second.find('/b'), undefined)
  assert.ok(memory.bytes > 0)
})

test('counts longer strings for more, and most those that are stored twice or use two bytes per character', () => {
  const bytesOf = (text: string): number => {
    const memory = new CacheMemory()
    new BoundedCache<number>(memory).keep(text, () => 1)
    return memory.bytes
  }
  const shortest = bytesOf('')
  assert.equal(bytesOf('/a&!~') - shortest, 5)
  for (const text of ['/%C3%A9', '/\u20ac234567', '/\u00e9', '/ ']) {
    assert.equal(bytesOf(text) - shortest, 4 * text.length, text)
  }
})

test('a target is read the same from the cache, and refused the same', () => {
  const parse = createTargetParser(new Set(['GET']))
  const plain = { method: 'GET', httpVersionMajor: 1, rawHeaders: ['Host', 'a'] }
  for (const url of ['/a', '/a?b=c', '/%C3%A9', '/a//b', '/a/../b', '/%2e', '/a#b']) {
    assert.deepEqual(parse({ ...plain, url }), parse({ ...plain, url }), url)
  }
  const first = parse({ ...plain, url: '/a' })
  assert.equal(parse({ ...plain, url: '/a' }), first)
  // A cached valid host does not excuse an invalid one.
  assert.equal(parse({ ...plain, url: '/a', rawHeaders: [] }).accepted, false)
  assert.equal(parse({ ...plain, url: '/a', method: 'BREW' }).accepted, false)
})

test('caches nothing for a request whose caller is not authenticated', () => {
  const parse = createTargetParser(new Set(['GET']))
  const request = { method: 'GET', url: '/a', httpVersionMajor: 1, rawHeaders: ['Host', 'a'] }
  assert.notEqual(parse(request, false), parse(request, false))
  assert.deepEqual(parse(request, false), parse(request))
  assert.equal(parse(request, true), parse(request, false))
})

test('does not mix up cached results of different methods or readings', () => {
  const rules = compileRules(
    [
      { path: '/a', methods: ['POST'], allow: { denyAll: true } },
      { path: '/a', allow: { permitAll: true } },
    ],
    { localTrustDomain: 'saas.example' },
  )
  const target = { accepted: true, path: '/a', isFoldable: false } as const
  const folding = { foldCase: 'ascii', foldTrailingSlash: true } as const
  const upper = { accepted: true, path: '/A', isFoldable: true } as const
  for (let round = 0; round < 2; round += 1) {
    assert.equal(rules.find('POST', target, exactSemantics)?.index, 0)
    assert.equal(rules.find('GET', target, exactSemantics)?.index, 1)
    assert.equal(rules.find('GET', upper, exactSemantics), undefined)
    assert.equal(rules.find('GET', upper, folding)?.index, 1)
  }
})

const distinct = scale(50_000, 1_000_000)
const most = 4 * 1024 * 1024

test(`${distinct} paths, with and without escapes and queries, use at most 4 MiB for targets and 4 MiB for rules`, () => {
  const [targets, lookups] = [new CacheMemory(), new CacheMemory()]
  const parse = createCachingParser(new Set(['GET']), targets)
  const { rules } = compileRules([{ path: '/orders/**', allow: { permitAll: true } }], {
    localTrustDomain: 'saas.example',
  })
  const index = createRuleIndex(rules, ({ pattern }) => foldPattern(pattern, exactSemantics), lookups)
  const highest = { targets: 0, lookups: 0 }
  for (let number = 0; number < distinct; number += 1) {
    for (const url of [`/orders/${number}`, `/orders/%E2%82%AC${number}`, `/orders/all?page=${number}`]) {
      const target = parse({ method: 'GET', url, httpVersionMajor: 1, rawHeaders: ['Host', 'a'] })
      assert.ok(target.accepted)
      assert.equal(index.find(foldTarget(target, exactSemantics), 'GET')?.index, 0)
      highest.targets = Math.max(highest.targets, targets.bytes)
      highest.lookups = Math.max(highest.lookups, lookups.bytes)
    }
  }
  for (const bytes of Object.values(highest)) assert.ok(bytes <= most && bytes > most - 1024, JSON.stringify(highest))
})

test('a query and an escape take no memory of the parser', () => {
  const memory = new CacheMemory()
  const parse = createCachingParser(new Set(['GET']), memory)
  for (const url of ['/orders?page=1', '/orders/%E2%82%AC', '/orders//1']) {
    parse({ method: 'GET', url, httpVersionMajor: 1, rawHeaders: ['Host', 'a'] })
  }
  assert.equal(memory.bytes, 0)
})
