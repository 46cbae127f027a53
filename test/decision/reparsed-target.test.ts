import assert from 'node:assert/strict'
import test from 'node:test'
import { decideRules } from '../../packages/authorization/src/decide.ts'
import type { PathSemantics } from '../../packages/authorization/src/path-semantics.ts'
import { findReparsing, type Reparsing } from '../../packages/authorization/src/reparsed-target.ts'
import { authenticated, hasAuthority } from '../../packages/authorization/src/requirement.ts'
import { compileRules } from '../../packages/authorization/src/rules.ts'
import { createCaller } from './caller.ts'
import { targetOf } from './target-of.ts'

const caller = createCaller('spiffe://saas.example/ns/production/sa/core-api', 'SERVICE_core-api')
const plain: PathSemantics = { foldCase: false, foldTrailingSlash: false, comparesEscaped: 'unneeded' }

/** Targets by the part that must be decoded for Express to cut them in the wrong place. */
const targets: readonly (readonly [target: string, reparsing: Reparsing | undefined])[] = [
  ['/a', undefined],
  ['/a?q=1', undefined],
  ['/a%20b', undefined],
  ['/c/a%20b', undefined],
  ["/o'neil/x", undefined],
  ["/o'neil/x?q=1", undefined],
  ['/a%C2%A0b/c', undefined],
  ['/a/b?q=a%20b', undefined],
  ['/a/%22?q=%0b', undefined],
  ['/%61/b?q=%20', undefined],
  ['/a%20b/c', 'all'],
  ['/a%20b?c', 'all'],
  ['/a%20b?', 'all'],
  ['/a%C2%A0b/%27/c', 'belowEscapes'],
  ...["'", '"', '<', '>', '^', '`', '{', '|', '}'].flatMap((character) => {
    const escaped = `%${character.charCodeAt(0).toString(16)}`
    return [
      [`/a${character}/x?%20`, 'all'],
      [`/a${escaped}/x?%20`, 'all'],
      [`/a${escaped.toUpperCase()}?%20`, 'all'],
      [`/a${escaped}`, undefined],
    ] as const
  }),
  ...['%09', '%0a', '%0c', '%0D', '%20', '%C2%A0', '%ef%bb%bf'].map((space) => [`/a'/x?${space}`, 'all'] as const),
  ['/%61/a%20b', undefined],
  ['/%61/a%20b/c', 'belowEscapes'],
  ['/%61/a%20b?c', 'belowEscapes'],
  ["/%61/o'neil/x?%20", 'all'],
  ["/a%20/o'neil/x", 'belowEscapes'],
]

test('finds targets that Express cuts in the wrong place, and which part must be decoded for that', () => {
  for (const [target, reparsing] of targets) assert.equal(findReparsing(target), reparsing, target)
})

test('denies them only if the router decodes that part', () => {
  for (const [target, decodesForExpress, outcome] of [
    ['/a%20b/c', undefined, 'allow'],
    ['/a%20b/c', 'belowEscapes', 'allow'],
    ['/a%20b/c', 'all', 'ambiguous_path'],
    ["/o'neil?q=a%20b", 'all', 'ambiguous_path'],
    ['/%61/a%20b/c', undefined, 'allow'],
    ['/%61/a%20b/c', 'belowEscapes', 'ambiguous_path'],
    ['/%61/a%20b/c', 'all', 'ambiguous_path'],
    ['/a%20b', 'all', 'allow'],
    ['/admin/a%20b/c', 'all', 'authority_missing'],
  ] as const) {
    const otherSemantics = decodesForExpress === undefined ? plain : { ...plain, decodesForExpress }
    assert.equal(judge(target, otherSemantics), outcome, `${target} ${decodesForExpress}`)
  }
})

function judge(url: string, otherSemantics: PathSemantics): string {
  const rules = compileRules(
    [
      { path: '/admin/**', allow: hasAuthority('ADMIN') },
      { path: '/**', allow: authenticated() },
    ],
    { localTrustDomain: 'saas.example' },
  )
  const target = targetOf(url)
  const facts = { principal: caller, method: 'GET', target, message: { headers: {} } }
  const decision = decideRules(rules, { ...facts, semantics: plain, otherSemantics })
  return decision.effect === 'allow' ? 'allow' : decision.reason
}
