import assert from 'node:assert/strict'
import test from 'node:test'
import { ConfigurationError, type ConfigurationErrorCode } from '../../packages/spiffe/src/errors.ts'
import { exactSemantics, type PathSemantics } from '../../packages/authorization/src/path-semantics.ts'
import { permitAll } from '../../packages/authorization/src/requirement.ts'
import { compileRules, type RuleSet } from '../../packages/authorization/src/rules.ts'
import { targetOf } from './target-of.ts'

const context = { localTrustDomain: 'saas.example' }
const allow = permitAll()
const ignoreCase: PathSemantics = { foldCase: 'ascii', foldTrailingSlash: false }
const ignoreSlash: PathSemantics = { foldCase: false, foldTrailingSlash: true }

const refused: readonly (readonly [name: string, rules: unknown, code: ConfigurationErrorCode])[] = [
  ['something that is not a list', { path: '/', allow }, 'option_invalid'],
  ['nothing', undefined, 'option_invalid'],
  ['an empty list', [], 'option_invalid'],
  ['a rule that is not an object', ['/x'], 'option_invalid'],
  ['a hole in the list', Array.from({ length: 1 }), 'option_invalid'],
  ['an unknown key', [{ path: '/', alow: allow, allow }], 'option_unknown'],
  ['an option in the singular', [{ path: '/', method: 'GET', allow }], 'option_unknown'],
  ['a missing path', [{ allow }], 'rule_invalid'],
  ['a missing requirement', [{ path: '/' }], 'option_invalid'],
  ['an empty list of callers', [{ path: '/', allow: [] }], 'option_invalid'],
  ['methods that are not a list', [{ path: '/', methods: 'GET', allow }], 'option_invalid'],
  ['an empty list of methods', [{ path: '/', methods: [], allow }], 'option_invalid'],
  ['a method in lower case', [{ path: '/', methods: ['get'], allow }], 'rule_invalid'],
  ['a method that no request can have', [{ path: '/', methods: ['EVERYTHING'], allow }], 'rule_invalid'],
  [
    'an encoded slash for a path that cannot match one',
    [{ path: '/a/b', allow, allowEncodedSlash: true }],
    'rule_invalid',
  ],
  ['an encoded slash that is not a boolean', [{ path: '/a/*', allow, allowEncodedSlash: 'yes' }], 'rule_invalid'],
  ['a method named twice', [{ path: '/', methods: ['GET', 'POST', 'GET'], allow }], 'rule_invalid'],
]

for (const [name, rules, code] of refused) {
  test(`rejects at startup: ${name}`, () => {
    assert.throws(() => compileRules(rules, context), isRefusal(code))
  })
}

test('suggests the method in upper case', () => {
  assert.throws(() => compileRules([{ path: '/', methods: ['post'], allow }], context), /'POST'/)
  assert.throws(() => compileRules([{ path: '/', methods: ['EVERYTHING'], allow }], context), /one of .*GET/)
})

test('names the rule in an error', () => {
  assert.throws(
    () =>
      compileRules(
        [
          { path: '/', allow },
          { path: '/x', allow: { hasAuthority: '' } },
        ],
        context,
      ),
    /rules\[1\]\.allow\.hasAuthority/,
  )
})

test('the first rule that matches decides', () => {
  const rules = compile('/a/*', '/a/**', '/**')
  assert.equal(find(rules, '/a/b'), 0)
  assert.equal(find(rules, '/a/b/c'), 1)
  assert.equal(find(rules, '/a'), 1)
  assert.equal(find(rules, '/b'), 2)
  assert.equal(find(compile('/a/b', '/*/b', '/a/**'), '/a/b'), 0)
  assert.equal(find(compile('/*/b', '/a/*', '/a/c/d'), '/a/b'), 0)
  assert.equal(find(compile('/a/*', '/*/b'), '/a/b'), 0)
})

test("matches '*' with one non-empty segment", () => {
  const rules = compile('/files/*')
  assert.equal(find(rules, '/files/x'), 0)
  assert.equal(find(rules, '/files/.x'), 0)
  assert.equal(find(rules, '/files/*'), 0)
  assert.equal(find(rules, '/files/'), undefined)
  assert.equal(find(rules, '/files'), undefined)
  assert.equal(find(rules, '/files/x/'), undefined)
  assert.equal(find(rules, '/files/x/y'), undefined)
})

test("matches '**' with the path above and all its descendants, including dotfiles", () => {
  const rules = compile('/x/**')
  for (const path of ['/x', '/x/', '/x/y', '/x/y/', '/x/.git/config']) assert.equal(find(rules, path), 0, path)
  for (const path of ['/', '/xy', '/y/x']) assert.equal(find(rules, path), undefined, path)
  for (const path of ['/', '/x', '/x/']) assert.equal(find(compile('/**'), path), 0, path)
})

test('matches a literal byte for byte, including a trailing slash', () => {
  const rules = compile('/a/', '/@admin', '/a b/é')
  assert.equal(find(rules, '/a/'), 0)
  assert.equal(find(rules, '/a'), undefined)
  assert.equal(find(rules, '/A/'), undefined)
  assert.equal(find(rules, '/%40admin'), 1)
  assert.equal(find(rules, '/a%20b/%C3%A9'), 2)
  assert.equal(find(rules, '/a%20b/e%CC%81'), undefined)
  assert.equal(find(compile('/'), '/'), 0)
  assert.equal(find(compile('/'), '/x'), undefined)
})

test('covers every method without methods, and exactly the listed ones otherwise, HEAD with GET', () => {
  const rules = compileRules(
    [
      { path: '/x', methods: ['GET'], allow },
      { path: '/x', methods: ['POST', 'PROPFIND'], allow },
      { path: '/**', methods: ['POST'], allow },
      { path: '/y', allow },
    ],
    context,
  )
  const found = (method: string, path: string): number | undefined =>
    rules.find(method, targetOf(path), exactSemantics)?.index
  assert.equal(found('GET', '/x'), 0)
  assert.equal(found('HEAD', '/x'), 0)
  assert.equal(found('POST', '/x'), 1)
  assert.equal(found('PROPFIND', '/x'), 1)
  assert.equal(found('OPTIONS', '/x'), undefined)
  assert.equal(found('POST', '/y'), 2)
  assert.equal(found('OPTIONS', '/y'), 3)
  assert.ok(rules.knownMethods.has('PROPFIND'))
  assert.ok(!rules.knownMethods.has('TRACE'))
})

const unreachable: readonly (readonly [name: string, rules: readonly unknown[]])[] = [
  [
    'a rule like one before it',
    [
      { path: '/a', allow },
      { path: '/a', allow },
    ],
  ],
  [
    'a rule below two stars',
    [
      { path: '/a/**', allow },
      { path: '/a/b', allow },
    ],
  ],
  [
    'the path above two stars',
    [
      { path: '/a/**', allow },
      { path: '/a', allow },
    ],
  ],
  [
    'a rule after the rule for everything',
    [
      { path: '/**', allow },
      { path: '/a/*/**', allow },
    ],
  ],
  [
    'a literal after a star',
    [
      { path: '/*/b', allow },
      { path: '/a/b', allow },
    ],
  ],
  [
    'a star after a star',
    [
      { path: '/a/*', allow },
      { path: '/x', allow },
      { path: '/a/*', allow },
    ],
  ],
  [
    'methods of a rule for every method',
    [
      { path: '/a', allow },
      { path: '/a', methods: ['GET'], allow },
    ],
  ],
  [
    'HEAD after GET',
    [
      { path: '/a', methods: ['GET'], allow },
      { path: '/a', methods: ['HEAD'], allow },
    ],
  ],
  [
    'methods that earlier rules cover together',
    [
      { path: '/a', methods: ['PUT'], allow },
      { path: '/**', methods: ['POST', 'DELETE'], allow },
      { path: '/a', methods: ['PUT', 'POST'], allow },
    ],
  ],
]

for (const [name, rules] of unreachable) {
  test(`rejects a rule that never applies: ${name}`, () => {
    assert.throws(() => compileRules(rules, context), isRefusal('rule_unreachable'))
  })
}

test('names both rules when one is unreachable', () => {
  assert.throws(
    () =>
      compileRules(
        [
          { path: '/x', allow },
          { path: '/a/**', allow },
          { path: '/a/b', allow },
        ],
        context,
      ),
    /rules\[2\] \(\/a\/b\).*rules\[1\] \(\/a\/\*\*\)/,
  )
})

test('accepts overlapping rules that do not shadow each other', () => {
  const lists = [
    ['/a/b', '/a/*', '/a/**', '/**'],
    ['/*/b', '/a/*'],
    ['/a/*', '/a/', '/a'],
    ['/*', '/'],
    ['/a/*', '/a/**'],
    ['/*/**', '/'],
  ]
  for (const paths of lists) assert.equal(compile(...paths).rules.length, paths.length)
  const later = [
    { path: '/a', methods: ['GET'], allow },
    { path: '/a', allow },
  ]
  assert.equal(compileRules(later, context).rules.length, 2)
  const partly = [
    { path: '/a', methods: ['GET'], allow },
    { path: '/a', methods: ['GET', 'POST'], allow },
  ]
  assert.equal(compileRules(partly, context).rules.length, 2)
})

test('reads rules as the router reads paths', () => {
  const rules = compile('/Admin/*', '/b/', '/')
  assert.equal(find(rules, '/ADMIN/x', ignoreCase), 0)
  assert.equal(find(rules, '/admin/x', ignoreCase), 0)
  assert.equal(find(rules, '/admin/x'), undefined)
  assert.equal(find(rules, '/b', ignoreSlash), 1)
  assert.equal(find(rules, '/b/', ignoreSlash), 1)
  assert.equal(find(rules, '/Admin/x/', ignoreSlash), 0)
  assert.equal(find(rules, '/Admin/', ignoreSlash), undefined)
  assert.equal(find(rules, '/', ignoreSlash), 2)
  assert.equal(find(rules, '/ADMIN/X/', { foldCase: 'unicode', foldTrailingSlash: true }), 0)
})

test("rejects rules that are unreachable only under the router's reading, once it is known", () => {
  const cases: readonly (readonly [first: string, second: string, semantics: PathSemantics])[] = [
    ['/admin', '/ADMIN', ignoreCase],
    ['/a/*', '/A/b', ignoreCase],
    ['/a', '/a/', ignoreSlash],
    ['/É', '/é', { foldCase: 'unicode', foldTrailingSlash: false }],
  ]
  for (const [first, second, semantics] of cases) {
    const rules = compile(first, second)
    assert.throws(() => rules.checkSemantics(semantics), isRefusal('rule_unreachable'), second)
    rules.checkSemantics(exactSemantics)
  }
  compile('/É', '/é').checkSemantics(ignoreCase)
})

function compile(...paths: readonly string[]): RuleSet {
  return compileRules(
    paths.map((path) => ({ path, allow })),
    context,
  )
}

function find(rules: RuleSet, path: string, semantics: PathSemantics = exactSemantics): number | undefined {
  return rules.find('GET', targetOf(path), semantics)?.index
}

function isRefusal(code: ConfigurationErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof ConfigurationError && error.code === code
}
