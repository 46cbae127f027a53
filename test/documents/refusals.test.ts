import assert from 'node:assert/strict'
import test, { after, before } from 'node:test'
import type { DenialCode } from '@countersign/core'
import { checkDenial } from './check-denial.ts'
import { readPage } from './page.ts'
import { isGuard, read } from './read.ts'
import { readTable } from './table.ts'
import { testBlocks, testPrinted } from './test-page.ts'
import { createWorkbench, production, type Workbench } from './workbench.ts'

const page = readPage('docs/refusals.md')

let bench: Workbench
before(async () => {
  bench = await createWorkbench(page)
  bench.borrow(readPage('README.md'), 'server.ts')
  bench.borrow(readPage('docs/testing.md'), 'app.ts', 'app.test.ts')
  bench.borrow(readPage('docs/rules.md'), 'rules.ts')
  bench.borrow(readPage('docs/operating.md'), 'source.ts')
})
after(() => bench.close())

testBlocks(page, () => bench)
testPrinted(page, () => bench, ['watch.ts'])

test('the response and the log line of a denial match the page', async () => {
  await checkDenial(page, bench, await bench.start('server.ts', 'app'))
})

test('the table of codes lists each code with its status once', () => {
  const answers = readTable(page.text, '| status | `code` |').map(([status = '', code = '']) => [code, Number(status)])
  const codes: Record<DenialCode, number> = {
    ambiguous_request: 400,
    authentication_required: 401,
    client_certificate_required: 403,
    identity_invalid: 403,
    access_denied: 403,
    authorization_unavailable: 503,
  }

  assert.deepEqual(
    answers,
    Object.entries(codes).map(([code, status]) => [`\`${code}\``, status]),
  )
})

test('the targets that the page lists are refused with 400', async () => {
  await bench.capture('rules.ts')
  const guard = read(await bench.load('rules.ts'), 'guard')
  assert.ok(isGuard(guard))
  const [, row = ''] = /^\| (`\/\/x`.*?) \| 400 \|/m.exec(page.text) ?? []
  const targets = [...row.matchAll(/`([^`]+)`/g)].map(([, target = '']) =>
    target.startsWith('/') ? target : `/a${target}b`,
  )

  assert.ok(targets.length >= 6)
  for (const path of [...targets, 'https://saas.example/status', '/%zz']) {
    const { decision } = guard.explain({ caller: `${production}/core-api`, method: 'GET', path })
    assert.equal(decision.effect === 'deny' && decision.status, 400, path)
  }
})

test('watch.ts counts denials by reason', async () => {
  const counts = read(await bench.load('watch.ts'), 'counts')
  assert.ok(counts instanceof Map)
  const earlier = Number(counts.get('authority_missing') ?? 0)
  await bench.load('app.test.ts?again')

  assert.equal(counts.get('authority_missing'), earlier + 1)
})
