import assert from 'node:assert/strict'
import test from 'node:test'
import type { Turns } from '../../packages/authorization/src/in-turns.ts'
import type { PathSemantics } from '../../packages/authorization/src/path-semantics.ts'
import { compilePoliciesInTurns } from '../../packages/authorization/src/policy/compile-policies.ts'
import { decidePolicies } from '../../packages/authorization/src/policy/decide-policies.ts'
import { compileRulesInTurns } from '../../packages/authorization/src/rules.ts'
import { local, requestOf, workload } from './request-of.ts'

const folding: PathSemantics = { foldCase: 'ascii', foldTrailingSlash: true }

/** A clock on which each step takes a millisecond. */
function createTurns(): Turns & { readonly pauses: () => number } {
  let now = 0
  let pauses = 0
  return {
    now: () => (now += 1),
    pause: async () => {
      pauses += 1
    },
    pauses: () => pauses,
  }
}

const policies = Array.from({ length: 300 }, (_, index) => ({
  name: `p${index}`,
  action: 'ALLOW',
  from: [{ callers: [`spiffe://saas.example/w${index}`] }],
  to: [{ paths: [`/p${index}`] }],
}))

test('compiles and indexes policies in turns', async () => {
  const turns = createTurns()
  const set = await compilePoliciesInTurns(policies, local, turns, [folding])
  // A step for each policy, and two more for each to index it under both semantics.
  assert.ok(turns.pauses() > 900 / 5, String(turns.pauses()))
  assert.ok(turns.pauses() < 900, String(turns.pauses()))
  assert.equal(set.policies.length, 300)
  const caller = workload('spiffe://saas.example/w17')
  assert.equal(decidePolicies(set, requestOf({ path: '/p17', principal: caller })), undefined)
  assert.equal(decidePolicies(set, requestOf({ path: '/P17/', principal: caller, semantics: folding })), undefined)
  assert.notEqual(decidePolicies(set, requestOf({ path: '/p18', principal: caller })), undefined)
})

test('compiles and indexes rules in turns', async () => {
  const turns = createTurns()
  const rules = Array.from({ length: 300 }, (_, index) => ({ path: `/p${index}`, allow: { authenticated: true } }))
  const set = await compileRulesInTurns(rules, local, turns, [folding])
  assert.ok(turns.pauses() > 300, String(turns.pauses()))
  assert.equal(set.find('GET', { path: '/P17', isFoldable: true }, folding)?.index, 17)
})

test('rejects what compiling at once would throw', async () => {
  await assert.rejects(compilePoliciesInTurns([{ name: 'a' }], local, createTurns()), { where: 'policies[0].action' })
  await assert.rejects(compileRulesInTurns([], local, createTurns()), { code: 'option_invalid' })
  const twice = [
    { path: '/a', allow: { authenticated: true } },
    { path: '/A', allow: { authenticated: true } },
  ]
  await compileRulesInTurns(twice, local, createTurns())
  await assert.rejects(compileRulesInTurns(twice, local, createTurns(), [folding]), { code: 'rule_unreachable' })
})
