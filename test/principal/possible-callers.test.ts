import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { type CallerSet, intersect, readAccount } from '@countersign/authorization'
import { deriveAuthorities } from '../../packages/core/src/principal/create-principal.ts'
import { createPossibleWorkloads } from '../../packages/core/src/principal/possible-callers.ts'
import { SpiffeId } from '../../packages/spiffe/src/spiffe-id/spiffe-id.ts'

const segment = fc.constantFrom('ns', 'sa', 'a', 'b', 'core-api')
const path = fc.array(segment, { minLength: 1, maxLength: 5 })

test('every caller with a derived authority is among the possible callers for it', () => {
  const policy = { localTrustDomain: 'saas.example', namespaces: new Set(['a', 'b']) }
  const possible = createPossibleWorkloads(['saas.example'], policy)
  fc.assert(
    fc.property(path, (segments) => {
      const id = SpiffeId.parse(`spiffe://saas.example/${segments.join('/')}`)
      for (const authority of deriveAuthorities(readAccount(id), policy.namespaces)) {
        const caller = { trustDomain: 'saas.example', segments, rest: false }
        assert.ok(
          possible.holdersOf(authority).some((set) => intersect(set, caller) !== undefined),
          authority,
        )
      }
    }),
  )
})

test('the intersection of two sets of callers contains exactly the callers in both', () => {
  const set = fc.record({
    trustDomain: fc.constantFrom('saas.example', 'partner.example'),
    segments: fc.array(fc.option(segment, { nil: undefined }), { maxLength: 4 }),
    rest: fc.boolean(),
  })
  fc.assert(
    fc.property(set, set, path, (one, other, segments) => {
      const isIn = (each: CallerSet | undefined): boolean =>
        each?.trustDomain === 'saas.example' &&
        (each.rest ? segments.length >= each.segments.length : segments.length === each.segments.length) &&
        each.segments.every((wanted, index) => wanted === undefined || wanted === segments[index])
      assert.equal(isIn(intersect(one, other)), isIn(one) && isIn(other))
    }),
    { numRuns: 2000 },
  )
})
