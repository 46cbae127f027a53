import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BoundedMap } from '../../packages/core/src/connection/bounded-map.ts'

test('drops what was not used for the longest time when there are too many entries', () => {
  const map = new BoundedMap<string>({ entries: 2, bytes: 100 })
  for (const key of ['a', 'b']) map.set(key, key, 1)
  map.refresh('a')
  map.refresh('unknown')
  map.set('c', 'c', 1)
  assert.deepEqual(map.values(), ['a', 'c'])
  assert.equal(map.bytes, 2)
})

test('drops as many entries as a large one needs', () => {
  const map = new BoundedMap<string>({ entries: 10, bytes: 100 })
  for (const key of ['a', 'b', 'c']) map.set(key, key, 30)
  map.set('d', 'd', 70)
  assert.deepEqual([map.values(), map.bytes], [['c', 'd'], 100])
})

test('does not keep what alone is beyond the bounds, and keeps all else', () => {
  const map = new BoundedMap<string>({ entries: 10, bytes: 100 })
  map.set('a', 'a', 100)
  map.set('b', 'b', 101)
  assert.deepEqual([map.values(), map.bytes], [['a'], 100])
  map.set('a', 'too large by now', 101)
  assert.deepEqual([map.values(), map.bytes, map.has('a')], [[], 0, false])
})

test('counts an entry that is set again once, and one that is deleted no longer', () => {
  const map = new BoundedMap<string>({ entries: 2, bytes: 100 })
  map.set('a', 'a', 40)
  map.set('b', 'b', 40)
  map.set('a', 'A', 60)
  assert.deepEqual([map.values(), map.bytes, map.get('a')], [['b', 'A'], 100, 'A'])
  map.delete('b')
  map.delete('b')
  assert.equal(map.bytes, 60)
})

test('updates all values, and drops those without a new one', () => {
  const map = new BoundedMap<string>({ entries: 3, bytes: 100 })
  for (const key of ['a', 'b', 'c']) map.set(key, key, 10)
  map.updateAll((value) => (value === 'b' ? undefined : value === 'c' ? 'C' : value))
  assert.deepEqual([map.values(), map.bytes], [['a', 'C'], 20])
})
