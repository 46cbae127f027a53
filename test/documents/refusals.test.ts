import assert from 'node:assert/strict'
import test, { after, before } from 'node:test'
import type { DenialReason } from '@countersign/core'
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

test('the answer and the log line of a denial are what the page shows', async () => {
  await checkDenial(page, bench, await bench.start('server.ts', 'app'))
})

test('the table of reasons lists every reason of a denial once', () => {
  const listed = readTable(page.text, '| status | `code` | `reason` |').flatMap(([, , cell = '']) =>
    [...cell.matchAll(/`(\w+)`/g)].map(([, name = '']) => name),
  )
  const reasons: Record<DenialReason, true> = {
    not_origin_form: true,
    fragment: true,
    forbidden_character: true,
    bad_percent_encoding: true,
    encoded_delimiter: true,
    encoded_control: true,
    edge_whitespace: true,
    bad_utf8: true,
    empty_segment: true,
    dot_segment: true,
    unknown_method: true,
    missing_host: true,
    several_hosts: true,
    bad_host: true,
    authority_mismatch: true,
    unauthenticated: true,
    authority_missing: true,
    caller_not_listed: true,
    service_account_not_listed: true,
    namespace_not_listed: true,
    trust_domain_not_listed: true,
    no_alternative: true,
    deny_all: true,
    custom_refused: true,
    no_route_requirement: true,
    no_rule: true,
    ambiguous_path: true,
    request_rewritten: true,
    identity_invalid: true,
    identity_expired: true,
    evaluation_error: true,
    source_unavailable: true,
    guard_missing: true,
  }

  assert.deepEqual(listed.toSorted(), Object.keys(reasons).toSorted())
})

test('the targets that the page says are refused are refused with 400', async () => {
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

test('watch.ts counts denials by their reason', async () => {
  const counts = read(await bench.load('watch.ts'), 'counts')
  assert.ok(counts instanceof Map)
  const earlier = Number(counts.get('authority_missing') ?? 0)
  await bench.load('app.test.ts?again')

  assert.equal(counts.get('authority_missing'), earlier + 1)
})
