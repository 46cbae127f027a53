import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import { compileRequirement } from '../../packages/authorization/src/compile-requirement.ts'
import { compileCallerPatterns } from '../../packages/authorization/src/pattern.ts'
import { createSegmentTest } from '../../packages/authorization/src/policy/caller-tree.ts'
import { SpiffeId } from '../../packages/spiffe/src/spiffe-id/spiffe-id.ts'
import { scale } from '../support/long.ts'
import { requestOf, workload } from './request-of.ts'

const trustDomain = fc.constantFrom('saas.example', 'partner.example')
const segment = fc.constantFrom('a', 'b', 'A', 'ns', '.a', 'a.b', '-', '...', 'a-b_c')
const pattern = fc
  .record({
    trustDomain,
    segments: fc.array(fc.oneof({ weight: 2, arbitrary: segment }, { weight: 1, arbitrary: fc.constant('*') }), {
      minLength: 1,
      maxLength: 5,
    }),
    rest: fc.boolean(),
  })
  .map((found) => `spiffe://${found.trustDomain}/${[...found.segments, ...(found.rest ? ['**'] : [])].join('/')}`)
const anyPattern = fc.oneof(
  { weight: 9, arbitrary: pattern },
  trustDomain.map((name) => `spiffe://${name}/**`),
)
const caller = fc
  .record({ trustDomain, segments: fc.array(segment, { maxLength: 6 }) })
  .map((found) => SpiffeId.parse([`spiffe://${found.trustDomain}`, ...found.segments].join('/')))

test('comparing segments has the same verdict as micromatch', () => {
  let matches = 0
  let total = 0
  fc.assert(
    fc.property(
      fc.array(anyPattern, { minLength: 1, maxLength: 4 }),
      fc.array(caller, { minLength: 1, maxLength: 30, size: 'max' }),
      (patterns, callers) => {
        const bySegments = createSegmentTest(patterns)
        const byMicromatch = compileCallerPatterns(patterns)
        for (const each of callers) {
          assert.equal(bySegments(each), byMicromatch(each), `${patterns.join(', ')}: ${each.toString()}`)
          total += 1
          if (bySegments(each)) matches += 1
        }
      },
    ),
    { numRuns: scale(800, 20_000) },
  )
  assert.ok(matches > total / 20 && matches < total / 2, `${matches} of ${total}`)
})

test('a requirement compares segments if its context says so', () => {
  const patterns = ['spiffe://saas.example/ns/*/sa/core-api', 'spiffe://saas.example/team/**']
  const compile = (comparesSegments: boolean): ReturnType<typeof compileRequirement> =>
    compileRequirement(patterns, { where: 'allow', localTrustDomain: 'saas.example', comparesSegments })
  for (const [id, isMet] of Object.entries({
    'spiffe://saas.example/ns/x/sa/core-api': true,
    'spiffe://saas.example/team': true,
    'spiffe://saas.example/team/a/b': true,
    'spiffe://saas.example/ns/x/sa/other': false,
    'spiffe://partner.example/team': false,
  })) {
    const request = requestOf({ principal: workload(id) })
    assert.equal(compile(true).test(request) === undefined, isMet, id)
    assert.equal(compile(false).test(request) === undefined, isMet, id)
  }
})
