import assert from 'node:assert/strict'
import test, { after, before } from 'node:test'
import { parseDocument } from 'yaml'
import { readPage } from './page.ts'
import { testBlocks } from './test-page.ts'
import { createWorkbench, type Workbench } from './workbench.ts'

const page = readPage('docs/behind-a-proxy.md')

let bench: Workbench
before(async () => (bench = await createWorkbench(page)))
after(() => bench.close())

testBlocks(page, () => bench)

test('every YAML block parses', () => {
  const blocks = page.blocks.filter(({ info }) => info === 'yaml')

  assert.ok(blocks.length > 5)
  for (const { code, line } of blocks) {
    for (const document of code.split(/^---$/m)) assert.deepEqual(parseDocument(document).errors, [], `line ${line}`)
  }
})
