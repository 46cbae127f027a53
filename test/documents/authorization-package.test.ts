import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { readPage, root } from './page.ts'
import { testBlocks, testPrinted } from './test-page.ts'
import { createWorkbench, type Workbench } from './workbench.ts'

const page = readPage('packages/authorization/README.md')

let bench: Workbench
before(async () => {
  bench = await createWorkbench(page)
})
after(() => bench.close())

testBlocks(page, () => bench)
testPrinted(page, () => bench, ['decide.ts', 'explain.ts'])

test('the page uses the same bundler options as the test in a browser page', () => {
  const stub = readFileSync(join(root, 'test/bundling/node-for-micromatch.ts'), 'utf8')
  const exported = stub.split('\n').filter((line) => line.startsWith('export'))
  const shown = page.blocks.find(({ info }) => info === 'ts')?.code.split('\n') ?? []
  assert.deepEqual(
    shown.filter((line) => line.startsWith('export')),
    exported,
  )
  const options = readFileSync(join(root, 'test/bundling/bundle-for-page.ts'), 'utf8')
  assert.ok(options.includes(`define: { 'process.platform': '"browser"' }`))
  assert.ok(page.text.includes(`--define:process.platform='"browser"'`))
})
