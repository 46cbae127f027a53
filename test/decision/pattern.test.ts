import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import { ConfigurationError } from '../../packages/spiffe/src/errors.ts'
import { compileCallerPatterns, parseCallerPattern } from '../../packages/authorization/src/pattern.ts'
import { SpiffeId } from '../../packages/spiffe/src/spiffe-id/spiffe-id.ts'

test('compares a SPIFFE ID without wildcards as text', () => {
  assert.ok(fits('spiffe://saas.example/ns/x/sa/y', 'spiffe://saas.example/ns/x/sa/y'))
  assert.ok(!fits('spiffe://saas.example/ns/x/sa/y', 'spiffe://saas.example/ns/x/sa/Y'))
  assert.ok(!fits('spiffe://saas.example/ns/x/sa/y', 'spiffe://saas.example/ns/x/sa/y/z'))
  assert.ok(!fits('spiffe://saas.example/ns/x', 'spiffe://partner.example/ns/x'))
})

test("matches '*' with exactly one segment", () => {
  const pattern = 'spiffe://saas.example/ns/*/sa/core-api'
  assert.ok(fits(pattern, 'spiffe://saas.example/ns/production/sa/core-api'))
  assert.ok(fits(pattern, 'spiffe://saas.example/ns/.hidden/sa/core-api'))
  assert.ok(!fits(pattern, 'spiffe://saas.example/ns/a/b/sa/core-api'))
  assert.ok(!fits(pattern, 'spiffe://saas.example/ns/sa/core-api'))
  assert.ok(!fits(pattern, 'spiffe://partner.example/ns/production/sa/core-api'))
})

test("matches '**' with the path above and all its descendants", () => {
  for (const [pattern, above] of [
    ['/ns/x/**', '/ns/x'],
    ['/ns/*/**', '/ns/x'],
  ] as const) {
    const fitting = ['', '/sa', '/sa/y', '/.z/...'].map((below) => `spiffe://saas.example${above}${below}`)
    for (const caller of fitting) assert.ok(fits(`spiffe://saas.example${pattern}`, caller), `${pattern} ${caller}`)
    assert.ok(!fits(`spiffe://saas.example${pattern}`, 'spiffe://saas.example/ns'))
    assert.ok(!fits(`spiffe://saas.example${pattern}`, 'spiffe://saas.example/other/x'))
  }
  assert.ok(!fits('spiffe://saas.example/ns/x/**', 'spiffe://saas.example/ns/xy'))
  assert.ok(fits('spiffe://saas.example/**', 'spiffe://saas.example/a/b/c'))
})

test('treats a dot in a pattern literally', () => {
  assert.ok(!fits('spiffe://saas.example/a.b/*', 'spiffe://saas.example/axb/c'))
  assert.ok(fits('spiffe://saas.example/a.b/*', 'spiffe://saas.example/a.b/c'))
})

test('is met if one of several patterns matches', () => {
  const isListed = compileCallerPatterns(['spiffe://a.example/x', 'spiffe://b.example/*', 'spiffe://c.example/y/**'])
  for (const text of ['spiffe://a.example/x', 'spiffe://b.example/z', 'spiffe://c.example/y/z']) {
    assert.ok(isListed(SpiffeId.parse(text)), text)
  }
  assert.ok(!isListed(SpiffeId.parse('spiffe://c.example/x')))
})

test('matches like a plain comparison of segments', () => {
  const segment = fc.constantFrom('a', 'b', 'ns', 'sa', '.a', '...', 'a-b', 'A', 'x.y', '_')
  const pattern = fc
    .tuple(fc.array(fc.oneof(segment, fc.constant('*')), { maxLength: 5 }), fc.constantFrom('', '/**'))
    .map(([segments, end]) => `${segments.map((part) => `/${part}`).join('')}${end}`)
    .filter((path) => path !== '')
  const path = fc.array(segment, { minLength: 1, maxLength: 6 }).map((segments) => `/${segments.join('/')}`)
  fc.assert(
    fc.property(pattern, path, (wanted, found) => {
      assert.equal(fits(`spiffe://a.example${wanted}`, `spiffe://a.example${found}`), compare(wanted, found))
    }),
    { numRuns: 5_000 },
  )
})

test('rejects text that is not a SPIFFE ID and suggests an authority', () => {
  for (const text of ['SERVICE_core-api', 'SPIFFE://a.example/x', '/ns/x', 'production/core-api', '*']) {
    assert.throws(() => parseCallerPattern(text, 'callers'), refusal(/hasAuthority/), text)
  }
})

test('rejects wildcards that are not whole segments', () => {
  const cases: readonly (readonly [text: string, remedy: RegExp])[] = [
    ['spiffe://*/ns/x', /trust domain/],
    ['spiffe://*.example/x', /trust domain/],
    ['spiffe://a.example/ns/core-*', /whole path segment/],
    ['spiffe://a.example/***', /whole path segment/],
    ['spiffe://a.example/**/x', /last path segment/],
    ['spiffe://a.example', /inTrustDomain/],
  ]
  for (const [text, remedy] of cases) assert.throws(() => parseCallerPattern(text, 'callers'), refusal(remedy), text)
})

test('rejects text that cannot be a SPIFFE ID, so no other glob syntax is possible', () => {
  const paths = [
    '',
    'a//b',
    'a/',
    'a/../b',
    '{a,b}',
    '[ab]',
    '!(a)',
    '@(a)',
    'a?',
    'a%20b',
    'a b',
    '(a|b)',
    '\\a',
    'é',
    '*/',
  ]
  for (const path of paths) {
    assert.throws(() => parseCallerPattern(`spiffe://a.example/${path}`, 'callers'), refusal(/not a SPIFFE ID/), path)
  }
  assert.throws(() => parseCallerPattern('spiffe:///x', 'callers'), refusal(/not a SPIFFE ID/))
  assert.throws(() => parseCallerPattern('spiffe://A.example/x', 'callers'), refusal(/not a SPIFFE ID/))
})

function fits(pattern: string, caller: string): boolean {
  return compileCallerPatterns([pattern])(SpiffeId.parse(caller))
}

function compare(pattern: string, path: string): boolean {
  const rest = pattern.endsWith('/**')
  const wanted = pattern.split('/').slice(1, rest ? -1 : undefined)
  const found = path.split('/').slice(1)
  if (rest ? found.length < wanted.length : found.length !== wanted.length) return false
  return wanted.every((segment, index) => segment === '*' || segment === found[index])
}

function refusal(remedy: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof ConfigurationError && error.code === 'rule_invalid' && remedy.test(error.message)
}
