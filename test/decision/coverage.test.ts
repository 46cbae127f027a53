import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import test from 'node:test'
import * as fc from 'fast-check'
import { scale } from '../support/long.ts'
import { parseFastifyRoute } from '../../packages/fastify/src/route-patterns.ts'
import {
  exactSemantics,
  foldPattern,
  foldTarget,
  type PathSemantics,
} from '../../packages/authorization/src/path-semantics.ts'
import { permitAll } from '../../packages/authorization/src/requirement.ts'
import { createRuleIndex } from '../../packages/authorization/src/rule-index.ts'
import { compileRules } from '../../packages/authorization/src/rules.ts'
import { parsePath } from '../../packages/authorization/src/target.ts'

const context = { localTrustDomain: 'saas.example' }
const allow = permitAll()

const routes: readonly (readonly [url: string, patterns: readonly string[]])[] = [
  ['/', ['/']],
  ['/a', ['/a']],
  ['/a/', ['/a/']],
  ['/items/:id', ['/items/*']],
  ['/items/:id/', ['/items/*/']],
  ['/items/:id(^\\d+$)', ['/items/*']],
  ['/items/:id(^[a-z/]+$)/x', ['/items/*/x']],
  ['/items/:id(^(a|b\\))$)/x', ['/items/*/x']],
  ['/items/:id(^a\\)/b$)', ['/items/*']],
  ['/near/:lat-:lng/radius/:r', ['/near/*/radius/*']],
  ['/at/:hour(^\\d{2})h:minute(^\\d{2})m', ['/at/*']],
  ['/file/:name.:extension', ['/file/*']],
  ['/file/:name.(x)/y', ['/file/*/y']],
  ['/img-:size(^\\d+$)', ['/*']],
  ['/:a*', ['/*']],
  ['/name::verb', ['/name:verb']],
  ['/name::verb/:id', ['/name:verb/*']],
  ['/:id::verb', ['/*']],
  ['/posts/:id?', ['/posts/*', '/posts']],
  ['/posts/:id?/', ['/posts/*/', '/posts/']],
  ['/:id?', ['/*', '/']],
  ['/files/*', ['/files/**']],
  ['/files*', ['/**']],
  ['/a/b*', ['/a/**']],
  ['/*', ['/**']],
  ['*', ['/**']],
  ['', ['/']],
  ['/a//b', ['/a/b']],
  ['/(x)/@scope', ['/(x)/@scope']],
]

for (const [url, patterns] of routes) {
  test(`reads the Fastify route '${url}' as ${patterns.join(' and ')}`, () => {
    assert.deepEqual(
      parseFastifyRoute(url).map(({ path, rest }) => (rest ? `${path}/**` : path)),
      patterns,
    )
  })
}

test('reads an unclosed regular expression to the end', () => {
  assert.deepEqual(parseFastifyRoute('/a/:id(^x/y'), [{ path: '/a/*', rest: false }])
})

test('finds the first rule that covers every path of a route', () => {
  const rules = compileRules(
    [
      { path: '/a/b', allow },
      { path: '/a/*', methods: ['GET'], allow },
      { path: '/files/**', allow },
      { path: '/Admin/', allow },
      { path: '/*/c', allow },
    ],
    context,
  )
  const covering = (
    url: string,
    method = 'GET',
    semantics: PathSemantics = exactSemantics,
  ): readonly (number | undefined)[] =>
    parseFastifyRoute(url).map((route) => rules.findCovering(method, route, semantics)?.index)
  assert.deepEqual(covering('/a/b'), [0])
  assert.deepEqual(covering('/a/:id'), [1])
  assert.deepEqual(covering('/a/:id', 'HEAD'), [1])
  assert.deepEqual(covering('/a/:id', 'POST'), [undefined])
  assert.deepEqual(covering('/a/*'), [undefined])
  assert.deepEqual(covering('/files/*'), [2])
  assert.deepEqual(covering('/files/:name?'), [2, 2])
  assert.deepEqual(covering('/a/:name?'), [1, undefined])
  assert.deepEqual(covering('/:any/c'), [4])
  assert.deepEqual(covering('/:any/:other'), [undefined])
  assert.deepEqual(covering('*'), [undefined])
  assert.deepEqual(covering('/admin'), [undefined])
  assert.deepEqual(covering('/admin', 'GET', { foldCase: 'unicode', foldTrailingSlash: true }), [3])
})

interface Router {
  on(method: string, path: string, handler: () => void): void
  find(method: string, path: string): { readonly params: Readonly<Record<string, string>> } | null
}

test('covers every path that find-my-way matches, unless a parameter is empty', async () => {
  const createRouter = await loadRouter()
  const part = fc.constantFrom(
    'a',
    'b',
    'A',
    ':x',
    ':y(^\\d+$)',
    'p-:z',
    ':u-:v',
    ':h(^\\d)h',
    'c::d',
    '@s',
    ':q(^[^/]b$)',
  )
  const end = fc.constantFrom('', '/', '/:o?', '/*', '*', '/:o?/', '/:w*', '/:w-*')
  const route = fc
    .tuple(fc.array(part, { maxLength: 3 }), end)
    .map(([parts, last]) => parts.map((text) => `/${text}`).join('') + last)
    .filter((url) => url.startsWith('/'))
  const segment = fc.constantFrom('a', 'b', 'A', '1', 'p-1', 'p-', '1-2', '2h', 'c:d', '@s', '%40s', 'ab', 'a.b', '')
  const path = fc.array(segment, { minLength: 1, maxLength: 5 }).map((segments) => `/${segments.join('/')}`)
  let matched = 0
  fc.assert(
    fc.property(route, path, fc.boolean(), fc.boolean(), (url, sent, foldCase, foldTrailingSlash) => {
      const target = parsePath(sent)
      const router = createRouter({ caseSensitive: !foldCase, ignoreTrailingSlash: foldTrailingSlash })
      router.on('GET', url, () => undefined)
      const found = router.find('GET', sent)
      const unnamed = Object.entries(found?.params ?? {}).some(([name, value]) => name !== '*' && value === '')
      if (!target.accepted || found === null || unnamed) return
      matched += 1
      const semantics: PathSemantics = { foldCase: foldCase && 'unicode', foldTrailingSlash }
      const forms = parseFastifyRoute(url).map((pattern, index) => ({ index, methods: undefined, pattern }))
      const index = createRuleIndex(forms, ({ pattern }) => foldPattern(pattern, semantics))
      assert.ok(
        index.find(foldTarget(target, semantics), 'GET') !== undefined,
        `${url} ${sent} ${JSON.stringify(semantics)}`,
      )
    }),
    { numRuns: scale(5_000, 20_000) },
  )
  assert.ok(matched > 100, `only ${matched} pairs matched: the property says nothing`)
})

async function loadRouter(): Promise<(options: object) => Router> {
  const load = createRequire(import.meta.resolve('fastify'))
  const module: unknown = await import(load.resolve('find-my-way'))
  assert.ok(typeof module === 'object' && module !== null && 'default' in module && isFactory(module.default))
  return module.default
}

function isFactory(value: unknown): value is (options: object) => Router {
  return typeof value === 'function'
}
