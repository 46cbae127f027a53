import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { compilePolicies } from '../../packages/authorization/src/policy/compile-policies.ts'
import { decidePolicies } from '../../packages/authorization/src/policy/decide-policies.ts'
import { local, requestOf, workload } from './request-of.ts'

// Each policy names 32 callers and 32 paths, which are 1,024 combinations. All of them would take more than 450 MB.
const program = `
  import { compilePolicies, decidePolicies } from './index.js'
  const policies = Array.from({ length: 3000 }, (_, policy) => ({
    name: 'p' + policy,
    action: 'ALLOW',
    from: [{ callers: Array.from({ length: 32 }, (_, index) => 'spiffe://saas.example/w' + policy + '-' + index) }],
    to: [{ paths: Array.from({ length: 32 }, (_, index) => '/p' + policy + '-' + index) }],
  }))
  const set = compilePolicies(policies, { localTrustDomain: 'saas.example', isAllowRequired: true })
  const used = () => {
    for (let turn = 0; turn < 3; turn += 1) gc()
    return process.memoryUsage().heapUsed
  }
  const before = used()
  const decide = () => decidePolicies(set, {
    principal: null,
    method: 'GET',
    semantics: { foldCase: false, foldTrailingSlash: false },
    target: { accepted: true, path: '/x', isFoldable: false },
    message: { headers: {} },
  })
  decide()
  console.log((used() - before) / 1024 / 1024)
  decide()
`

test('the index of policies stays in proportion to them, however many callers and paths they combine', async () => {
  const child = spawn(process.execPath, ['--expose-gc', '--input-type=module', '--eval', program], {
    cwd: new URL('../../packages/authorization/dist', import.meta.url),
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 60_000,
  })
  const [printed] = await Promise.all([text(child.stdout), once(child, 'close')])
  assert.equal(child.exitCode, 0)
  const grown = Number(printed)
  assert.ok(grown > 1 && grown < 100, `${grown} MiB`)
})

test('decides the same once not all combinations are indexed', () => {
  // The first 195 use up what all policies together may have.
  const policies = Array.from({ length: 220 }, (_, policy) => ({
    name: `p${policy}`,
    action: policy % 2 === 0 ? 'DENY' : 'ALLOW',
    from: [
      { callers: Array.from({ length: 31 }, (_each, index) => `spiffe://saas.example/w${policy}/${index}`) },
      { callers: [`spiffe://saas.example/rest${policy}/**`] },
    ],
    to: [{ paths: Array.from({ length: 31 + (policy % 3) }, (_each, index) => `/p${policy}/${index}`) }],
  }))
  const set = compilePolicies(policies, { ...local, isAllowRequired: true })
  const decide = (caller: string, path: string): string => {
    const principal = workload(`spiffe://saas.example/${caller}`)
    const verdict = decidePolicies(set, requestOf({ principal, path }))
    return verdict !== undefined && 'effect' in verdict ? verdict.reason : 'pass'
  }
  for (const policy of [0, 1, 2, 193, 194, 195, 196, 197, 198, 199, 218, 219]) {
    const expected = policy % 2 === 0 ? 'policy_denied' : 'pass'
    assert.equal(decide(`w${policy}/30`, `/p${policy}/30`), expected)
    assert.equal(decide(`rest${policy}/a`, `/p${policy}/0`), expected)
    assert.equal(decide(`w${policy}/30`, `/p${policy}/99`), 'no_policy')
    assert.equal(decide(`w${policy}/31`, `/p${policy}/30`), 'no_policy')
    assert.equal(decide(`w${policy + 1}/0`, `/p${policy}/30`), 'no_policy')
  }
})

test('a denial does not compare the other entries of its policy', () => {
  const from = Array.from({ length: 1000 }, (_, index) => ({ callers: [`spiffe://saas.example/w${index}`] }))
  const set = compilePolicies([{ name: 'many', action: 'DENY', from }], local)
  const caller = workload('spiffe://saas.example/w500')
  let reads = 0
  const asked = Object.defineProperty({ ...requestOf() }, 'principal', {
    get: () => {
      reads += 1
      return caller
    },
  })
  const verdict = decidePolicies(set, asked)
  assert.ok(verdict !== undefined && 'effect' in verdict)
  assert.equal(verdict.reason, 'policy_denied')
  assert.ok(reads < 20, `${reads} reads`)
})
