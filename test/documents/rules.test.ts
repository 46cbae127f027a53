import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import type { Guard } from '@countersign/core'
import { readPage, root } from './page.ts'
import { isGuard, read } from './read.ts'
import { testBlocks, testPrinted } from './test-page.ts'
import { createWorkbench, production, type Workbench } from './workbench.ts'

const page = readPage('docs/rules.md')

let bench: Workbench
before(async () => {
  bench = await createWorkbench(page)
  bench.borrow(readPage('docs/operating.md'), 'source.ts')
})
after(() => bench.close())

testBlocks(page, () => bench)
testPrinted(page, () => bench, ['rules.ts'])

test('an explanation is printed as the page shows', async () => {
  await bench.capture('rules.ts')
  const shown = page.blocks.find(({ info }) => info === 'text printed by explain.ts')

  const [printed, ...more] = await bench.capture('explain.ts')

  assert.deepEqual(more, [])
  assert.equal(`${printed}\n`, shown?.code)
})

test('the rules on the page use every requirement function', () => {
  const index = readFileSync(join(root, 'packages/authorization/src/index.ts'), 'utf8')
  const [, exported = ''] = /export \{([^}]*)\} from '.\/requirement.ts'/.exec(index) ?? []
  const names = exported
    .split(',')
    .map((name) => name.trim())
    .filter((name) => /^[a-z]\w+$/.test(name))
  const rules = page.runnable.get('rules.ts')?.code ?? ''

  assert.ok(names.includes('hasAuthority'))
  const missing = names.filter((name) => !rules.includes(`allow: ${name}(`) && !rules.includes(` ${name}(`))
  // Only Fastify exposes its routes, so this one is in the text after the block.
  assert.deepEqual(missing, ['perRoute'])
  assert.ok(page.text.includes('allow: perRoute()'))
})

test('the comments between the rules are correct', async () => {
  await bench.capture('rules.ts')
  const guard = await loadGuard()
  const expected: readonly (readonly [caller: string, path: string, effect: 'allow' | 'deny'])[] = [
    ['production/sa/core-api', '/reports', 'allow'],
    ['production/sa/analytics', '/reports/1', 'allow'],
    ['production/sa/support', '/reports', 'deny'],
    ['production/sa/core-api', '/ledger', 'allow'],
    ['production/sa/analytics', '/ledger', 'deny'],
    ['production/sa/scheduler', '/jobs/7/log', 'allow'],
    ['production/sa/core-api', '/jobs/7/log', 'deny'],
    ['production/sa/core-api', '/jobs/7', 'allow'],
    ['production/sa/support', '/refunds', 'allow'],
    ['staging/sa/support', '/refunds', 'deny'],
    ['batch/sa/scheduler', '/catalogue/1', 'allow'],
    ['audit/sa/archive', '/exports', 'allow'],
    ['production/sa/exporter', '/exports', 'allow'],
    ['production/sa/core-api', '/exports', 'deny'],
    ['production/sa/core-api', '/tenants/1', 'deny'],
    ['batch/sa/scheduler', '/status', 'allow'],
    ['batch/sa/scheduler', '/docs/a/b', 'allow'],
    ['production/sa/core-api', '/', 'deny'],
  ]
  for (const [caller, path, effect] of expected) {
    const question = { caller: `spiffe://saas.example/ns/${caller}`, method: 'GET', path }
    assert.equal(guard.explain(question).decision.effect, effect, `${caller} on ${path}`)
  }
  const headers = { 'x-tenant': '7' }
  const named = guard.explain({ caller: `${production}/core-api`, method: 'GET', path: '/tenants/1', headers })
  assert.equal(named.decision.effect, 'allow')
})

test('SPIFFE IDs have the authorities in the table', async () => {
  await bench.capture('rules.ts')
  const guard = await loadGuard()
  const rows = [...page.text.matchAll(/^\| `(spiffe:[^`]+)` \| (.*) \|$/gm)]

  assert.equal(rows.length, 4)
  for (const [, caller = '', text = ''] of rows) {
    const listed = [...text.matchAll(/`([A-Z]+_[^`]+)`/g)].map(([, name]) => name)
    const [, layer] = guard.explain({ caller, method: 'GET', path: '/' }).layers
    const found = /; authorities: (.*)$/.exec(layer?.because ?? '')?.[1] ?? 'none'
    assert.deepEqual(found === 'none' ? [] : found.split(', '), listed, caller)
  }
})

async function loadGuard(): Promise<Guard> {
  const guard = read(await bench.load('rules.ts'), 'guard')
  assert.ok(isGuard(guard))
  return guard
}
