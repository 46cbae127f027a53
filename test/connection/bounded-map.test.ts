import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BoundedMap } from '../../packages/core/src/connection/bounded-map.ts'

test('drops the least recently used entries if there are too many', () => {
  const map = new BoundedMap<string>({ entries: 2, bytes: 100 })
  for (const key of ['a', 'b']) map.set(key, key, 1)
  map.refresh('a')
  map.refresh('unknown')
  map.set('c', 'c', 1)
  assert.deepEqual(map.values(), ['a', 'c'])
  assert.equal(map.bytes, 2)
})

test('drops as many entries as a large entry needs', () => {
  const map = new BoundedMap<string>({ entries: 10, bytes: 100 })
  for (const key of ['a', 'b', 'c']) map.set(key, key, 30)
  map.set('d', 'd', 70)
  assert.deepEqual([map.values(), map.bytes], [['c', 'd'], 100])
})

test('does not keep an entry that exceeds the limits by itself, and keeps all others', () => {
  const map = new BoundedMap<string>({ entries: 10, bytes: 100 })
  map.set('a', 'a', 100)
  map.set('b', 'b', 101)
  assert.deepEqual([map.values(), map.bytes], [['a'], 100])
  map.set('a', 'too large by now', 101)
  assert.deepEqual([map.values(), map.bytes, map.has('a')], [[], 0, false])
})

test('counts a replaced entry once and a deleted one not at all', () => {
  const map = new BoundedMap<string>({ entries: 2, bytes: 100 })
  map.set('a', 'a', 40)
  map.set('b', 'b', 40)
  map.set('a', 'A', 60)
  assert.deepEqual([map.values(), map.bytes, map.get('a')], [['b', 'A'], 100, 'A'])
  map.delete('b')
  map.delete('b')
  assert.equal(map.bytes, 60)
})

test('updates all values, and drops those without a new value', () => {
  const map = new BoundedMap<string>({ entries: 3, bytes: 100 })
  for (const key of ['a', 'b', 'c']) map.set(key, key, 10)
  map.updateAll((value) => (value === 'b' ? undefined : value === 'c' ? 'C' : value))
  assert.deepEqual([map.values(), map.bytes], [['a', 'C'], 20])
})
