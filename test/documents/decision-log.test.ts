import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { createGuard, hasAuthority } from '@countersign/core'
import { serve } from '@countersign/testkit'
import schema from '@countersign/core/decision-log.schema.json' with { type: 'json' }
import { parseLines } from '../decision-log/lines.ts'
import { readPage } from './page.ts'
import { readTable } from './table.ts'
import { testBlocks } from './test-page.ts'
import { createWorkbench, production, type Workbench } from './workbench.ts'

const page = readPage('docs/decision-log.md')

let bench: Workbench
before(async () => {
  bench = await createWorkbench(page)
})
after(() => bench.close())

testBlocks(page, () => bench)

test('the log of the page contains a denied request, and its reader prints it', async () => {
  await bench.load('decisions.ts')
  const guard = createGuard({
    source: await bench.authority.source(`${production}/billing`),
    rules: [{ path: '/internal/billing/**', allow: hasAuthority('SERVICE_core-api') }],
    log: () => undefined,
  })
  await using running = await serve(guard, (_request, response) => void response.end())
  const peer = running.as(await bench.authority.issue(`${production}/analytics`))
  assert.equal((await peer.fetch('/internal/billing/invoices')).status, 403)
  await bench.load('stop.ts')
  assert.ok(existsSync(join(bench.folder, 'decisions.jsonl')))
  const printed = await bench.capture('read.ts')
  assert.deepEqual(printed, [/^\/\/ (.*)$/m.exec(page.runnable.get('read.ts')?.code.split('}\n').at(-1) ?? '')?.[1]])
})

test('the line of the page is one', () => {
  const blocks = page.blocks.filter(({ info }) => info === 'json')
  assert.equal(blocks.length, 1)
  assert.equal(parseLines(blocks[0]?.code ?? '').length, 1)
})

test('the tables list every field and every count of the schema', () => {
  const fields = readTable(page.text, '| field |').flatMap(([names = '']) => names.replaceAll('`', '').split(', '))
  assert.deepEqual(fields.toSorted(), Object.keys(schema.$defs.decision.properties).toSorted())
  const counts = readTable(page.text, '| count |').map(([name = '']) => name.replaceAll('`', ''))
  assert.deepEqual(
    ['version', 'type', 'time', ...counts].toSorted(),
    Object.keys(schema.$defs.dropped.properties).toSorted(),
  )
})
