import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import type { SegmentPattern } from '../../packages/authorization/src/path-pattern.ts'
import { foldPattern, foldTarget, type PathSemantics } from '../../packages/authorization/src/path-semantics.ts'
import { createRuleIndex, type IndexedRule } from '../../packages/authorization/src/rule-index.ts'
import type { CanonicalTarget } from '../../packages/authorization/src/target.ts'
import { scale } from '../support/long.ts'

interface PathRule extends IndexedRule {
  readonly pattern: SegmentPattern
}

const literals = ['a', 'b', 'A', 'bb', '.', '*', '\u212a', 'k']
const methods = ['GET', 'POST', 'PUT']

const segment = fc.constantFrom('a', 'b', 'A', 'bb', '\u212a', 'k')
const pattern: fc.Arbitrary<SegmentPattern> = fc
  .record({
    segments: fc.array(fc.oneof({ weight: 3, arbitrary: segment }, { weight: 2, arbitrary: fc.constant('*') }), {
      maxLength: 4,
    }),
    end: fc.constantFrom('', '', '/', '/**'),
  })
  .map(({ segments, end }) => {
    const path = segments.map((text) => `/${text}`).join('')
    if (end === '/**') return { path, rest: true }
    return { path: path === '' ? '/' : path + end, rest: false }
  })
const ruleSet = fc
  .array(fc.tuple(pattern, fc.option(fc.subarray(methods, { minLength: 1 }), { freq: 2 })), { maxLength: 12 })
  .map((rules) =>
    rules.map(([found, named], index): PathRule => ({
      index,
      pattern: found,
      methods: named === null ? undefined : new Set(named),
    })),
  )
const path = fc
  .tuple(fc.array(fc.constantFrom(...literals), { maxLength: 5 }), fc.boolean())
  .map(
    ([segments, slash]) => `${segments.map((text) => `/${text}`).join('')}${slash || segments.length === 0 ? '/' : ''}`,
  )
const semantics: fc.Arbitrary<PathSemantics> = fc.record({
  foldCase: fc.constantFrom<PathSemantics['foldCase']>(false, false, 'ascii', 'unicode'),
  foldTrailingSlash: fc.boolean(),
})

test('finds the same rules as a loop over all rules, for random rule sets', () => {
  fc.assert(
    fc.property(ruleSet, path, fc.constantFrom(...methods, 'DELETE'), semantics, (rules, found, method, how) => {
      const index = createRuleIndex(rules, (rule) => foldPattern(rule.pattern, how))
      const target: CanonicalTarget = { accepted: true, path: found, isFoldable: true }
      const expected = rules.find(
        (rule) => (rule.methods?.has(method) ?? true) && matchBySegments(rule.pattern, found, how),
      )
      assert.equal(index.find(foldTarget(target, how), method)?.index, expected?.index)
    }),
    { numRuns: scale(10_000, 100_000) },
  )
})

test('a rule covers a pattern only if it matches every path of it, and is then found', () => {
  fc.assert(
    fc.property(ruleSet, pattern, path, fc.constantFrom(...methods), (rules, route, found, method) => {
      const index = createRuleIndex(rules, (rule) => rule.pattern)
      const containing = index.findContaining(route, method)
      const containingAll = index.findContaining(route, undefined)
      if (containingAll !== undefined) assert.equal(containingAll.methods, undefined)
      for (const rule of [containing, containingAll]) {
        if (rule === undefined || !matchBySegments(route, found, exact)) continue
        assert.ok(matchBySegments(rule.pattern, found, exact))
        assert.ok((index.find(found, method)?.index ?? Number.POSITIVE_INFINITY) <= rule.index)
      }
    }),
    { numRuns: scale(4_000, 20_000) },
  )
})

test('a pattern covers itself and everything below it', () => {
  fc.assert(
    fc.property(pattern, ({ path: text, rest }) => {
      const contains = (containing: SegmentPattern): boolean =>
        createRuleIndex([{ index: 0, methods: undefined }], () => containing).findContaining(
          { path: text, rest },
          'GET',
        ) !== undefined
      assert.ok(contains({ path: text, rest }))
      for (let end = text.lastIndexOf('/'); end !== -1; end = end === 0 ? -1 : text.lastIndexOf('/', end - 1)) {
        assert.ok(contains({ path: text.slice(0, end), rest: true }))
        assert.equal(contains({ path: text.slice(0, end) || '/', rest: false }), text === '/' && !rest)
      }
    }),
    { numRuns: 2_000 },
  )
})

const exact: PathSemantics = { foldCase: false, foldTrailingSlash: false }

/** What a reader of the documentation would do by hand. */
function matchBySegments({ path: wanted, rest }: SegmentPattern, found: string, how: PathSemantics): boolean {
  const wantedSegments = cut(wanted, how)
  const foundSegments = cut(found, how)
  if (rest ? foundSegments.length < wantedSegments.length : foundSegments.length !== wantedSegments.length) return false
  return wantedSegments.every((text, place) =>
    text === '*' ? foundSegments[place] !== '' : text === foundSegments[place],
  )
}

function cut(text: string, how: PathSemantics): readonly string[] {
  const segments = text.split('/').slice(1)
  if (how.foldTrailingSlash && segments.length > 1 && segments.at(-1) === '') segments.pop()
  return segments.map((one) => {
    if (how.foldCase === 'unicode') return one.toLowerCase()
    return how.foldCase === 'ascii' ? one.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase()) : one
  })
}
