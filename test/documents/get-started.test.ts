import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { readFileSync } from 'node:fs'
import test, { after, before } from 'node:test'
import { channels } from '@countersign/core'
import { callWithFiles } from './call-with-files.ts'
import { readPage } from './page.ts'
import { asObject, parseObject, read } from './read.ts'
import { readPrinted } from './blocks.ts'
import { readTable } from './table.ts'
import { testBlocks } from './test-page.ts'
import { createWorkbench, type Workbench } from './workbench.ts'

const page = readPage('docs/get-started.md')

let bench: Workbench
before(async () => {
  bench = await createWorkbench(page)
  await bench.capture('certificates.ts')
})
after(() => bench.close())

testBlocks(page, () => bench)

test('certificates.ts writes the files that the page lists', async () => {
  const listed = readTable(page.text, '| file | content |').flatMap(([cell = '']) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
  )

  assert.equal(listed.length, 7)
  for (const name of listed) assert.match(readFileSync(name, 'utf8'), /^-----BEGIN /, name)
  assert.equal((await bench.capture('certificates.ts')).length, 3)
})

for (const [file, variable] of [
  ['server.ts', 'app'],
  ['express-server.ts', 'server'],
] as const) {
  test(`${file} answers the callers as the page says`, async () => {
    const running = await bench.start(file, variable)

    const answers = readTable(page.text, '| caller | path | answer |')
    assert.equal(answers.length, 4)
    for (const [caller = '', path = '', answer] of answers) {
      const name = caller.replaceAll('`', '')
      assert.equal(await callWithFiles(running, name, path.replaceAll('`', '')), answer, `${name} ${path}`)
    }
  })
}

test('a denial is logged as the page shows', async () => {
  const running = await bench.start('server.ts', 'app')
  const events: unknown[] = []
  const listen = (event: unknown): void => void events.push(event)
  subscribe(channels.denial, listen)

  assert.equal(await callWithFiles(running, 'analytics', '/internal/billing/invoices'), '403')

  unsubscribe(channels.denial, listen)
  const shown = parseObject(page.blocks.find(({ info }) => info === 'json')?.code ?? '')
  const event = asObject(events[0])
  const same = Object.fromEntries(Object.keys(shown).map((key) => [key, read(event, key)]))
  assert.deepEqual(same, shown)
})

test('call.ts calls the service and prints the output in its comment', async () => {
  const running = await bench.start('server.ts', 'app')
  const block = page.runnable.get('call.ts')
  assert.ok(block !== undefined)
  bench.write('free-call.ts', block.code.replace('localhost:8443', `127.0.0.1:${running.port}`))

  assert.deepEqual(await bench.capture('free-call.ts'), readPrinted(block))
})
