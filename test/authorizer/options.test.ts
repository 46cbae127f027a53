import assert from 'node:assert/strict'
import test from 'node:test'
import { authorizer, ConfigurationError } from '@countersign/core'

const decide = (): boolean => true
const key = (): readonly string[] => []

const wrong: readonly (readonly [string, object, string])[] = [
  ['no name', { decide }, 'option_invalid'],
  ['an empty name', { name: '', decide }, 'option_invalid'],
  ['a name with a line break', { name: 'a\nb', decide }, 'option_invalid'],
  ['no function', { name: 'a' }, 'option_invalid'],
  ['a class', { name: 'a', decide: ConfigurationError }, 'option_invalid'],
  ['an unknown option', { name: 'a', decide, onFailure: 'allow' }, 'option_unknown'],
  ...[0, -1, Number.NaN, Infinity, '1', '0s', '2m', '1d', 60_001, null].map(
    (timeout): readonly [string, object, string] => [
      `timeout ${timeout}`,
      { name: 'a', decide, timeout },
      'option_invalid',
    ],
  ),
  ...[0, -1, 1.5, Infinity, Number.NaN, '5'].flatMap((count): readonly (readonly [string, object, string])[] => [
    [`maxConcurrent ${count}`, { name: 'a', decide, maxConcurrent: count }, 'option_invalid'],
    [`maxConcurrentPerCaller ${count}`, { name: 'a', decide, maxConcurrentPerCaller: count }, 'option_invalid'],
    [`maxEntries ${count}`, { name: 'a', decide, cache: { key, ttl: 1, maxEntries: count } }, 'option_invalid'],
    [`maxBytes ${count}`, { name: 'a', decide, cache: { key, ttl: 1, maxBytes: count } }, 'option_invalid'],
  ]),
  ['a header that is not a name', { name: 'a', decide, headers: ['x y'] }, 'option_invalid'],
  ['a pseudo-header', { name: 'a', decide, headers: [':path'] }, 'option_invalid'],
  ['an empty list of headers', { name: 'a', decide, headers: [] }, 'option_invalid'],
  ['a cache without a key', { name: 'a', decide, cache: { ttl: '1s' } }, 'option_invalid'],
  ['a cache without a time', { name: 'a', decide, cache: { key } }, 'option_invalid'],
  ['a cache of two hours', { name: 'a', decide, cache: { key, ttl: '2h' } }, 'option_invalid'],
  ['an unknown option of a cache', { name: 'a', decide, cache: { key, ttl: 1, stale: true } }, 'option_unknown'],
]

for (const [what, options, code] of wrong) {
  test(`refuses an authorizer with ${what}`, () => {
    assert.throws(
      () => Reflect.apply(authorizer, undefined, [options]),
      (error) => error instanceof ConfigurationError && error.code === code,
    )
  })
}

test('returns a frozen copy, so that a later change of the options has no effect', () => {
  const headers = ['x-tenant']
  const created = authorizer({ name: 'a', decide, headers, timeout: '250ms', cache: { key, ttl: '30s' } })
  headers.push('authorization')
  assert.deepEqual(created.headers, ['x-tenant'])
  assert.ok(Object.isFrozen(created) && Object.isFrozen(created.headers) && Object.isFrozen(created.cache))
})
