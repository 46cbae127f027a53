import assert from 'node:assert/strict'
import test from 'node:test'
import { ConfigurationError } from '../../packages/spiffe/src/errors.ts'
import { parsePathPattern } from '../../packages/authorization/src/path-pattern.ts'

test('reads literals, single wildcards and the wildcard for all descendants', () => {
  const cases: readonly (readonly [text: string, path: string, rest: boolean])[] = [
    ['/', '/', false],
    ['/a', '/a', false],
    ['/a/', '/a/', false],
    ['/a/*/c', '/a/*/c', false],
    ['/*', '/*', false],
    ['/*/', '/*/', false],
    ['/**', '', true],
    ['/a/**', '/a', true],
    ['/a/*/**', '/a/*', true],
  ]
  for (const [text, path, rest] of cases) assert.deepEqual(parsePathPattern(text, 'path'), { path, rest }, text)
})

test('treats characters that are legal in a path literally', () => {
  const paths = [
    '/@scope/pkg',
    '/(x)',
    "/o'neil",
    '/a+b',
    '/!x',
    '/a:b',
    '/items:batch',
    '/a,b=c&d$e~f',
    '/.well-known',
  ]
  for (const path of [...paths, '/café', '/a b', '/...', '/..a', '/a..']) {
    assert.equal(parsePathPattern(path, 'path').path, path)
  }
})

// Each with a word of the remedy, which is what an author reads.
const refused: readonly (readonly [name: string, paths: readonly string[], remedy: RegExp])[] = [
  ['something that is not a string', [], /expected a path/],
  ['a missing leading slash', ['', 'admin', '**', 'https://saas.example/x', '*'], /leading slash/],
  ['an empty segment inside', ['//', '/a//b', '//a', '/a//**'], /no empty segment/],
  ['a dot segment', ['/.', '/..', '/a/../b', '/a/./b'], /dot segment/],
  ['a parameter of a router', ['/items/:id', '/:a/b', '/a/:_x'], /'\*' instead of/],
  ['an extended glob', ['/!(admin)/x', '/@(a|b)', '/+(a)', '/(a|b)', '/a|b'], /a separate rule for each alternative/],
  ["'**' before the end", ['/**/a', '/a/**/', '/a/**/b'], /to be the last segment/],
  ['a star inside a segment', ['/a*', '/*.js', '/a/*b*', '/***', '/*splat', '/a**'], /as a whole segment/],
  ['glob characters', ['/a?', '/[ab]', '/a]', '/{a,b}', '/a}', '/a{/:id}'], /the only wildcards/],
  [
    'characters that no accepted target contains',
    ['/a\\b', '/a;b', '/a#b', '/a\0', '/a\n', '/\x7f', '/\ud800'],
    /control/,
  ],
]

for (const [name, paths, remedy] of refused) {
  test(`rejects ${name} and says what to write`, () => {
    for (const path of paths) assert.throws(() => parsePathPattern(path, 'path'), expected(path, remedy), path)
  })
}

test('rejects a value that is not a string', () => {
  for (const path of [undefined, null, 1, {}, ['/a']]) {
    assert.throws(() => parsePathPattern(path, 'path'), expected(path, /expected a path/))
  }
})

test('rejects an escape and shows the decoded spelling', () => {
  assert.throws(() => parsePathPattern('/%40admin', 'path'), expected('/%40admin', /'\/@admin'/))
  assert.throws(() => parsePathPattern('/100%', 'path'), expected('/100%', /without '%'/))
})

function expected(value: unknown, remedy: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof ConfigurationError &&
    error.code === 'rule_invalid' &&
    error.value === value &&
    remedy.test(error.message)
}
