import assert from 'node:assert/strict'
import test, { after, before } from 'node:test'
import { readPage } from './page.ts'
import { read, readFunction } from './read.ts'
import { testBlocks, testPrinted } from './test-page.ts'
import { createWorkbench, production, type Workbench } from './workbench.ts'

const page = readPage('docs/testing.md')

let bench: Workbench
before(async () => {
  bench = await createWorkbench(page)
})
after(() => bench.close())

testBlocks(page, () => bench)
testPrinted(page, () => bench, ['app.test.ts', 'mtls.test.ts'])

test('the Fastify service does not start with a route that no rule covers', async () => {
  const createApp = readFunction(await bench.load('app.ts'), 'createApp')
  const app = read(await createApp(await bench.authority.source(`${production}/billing`)), 'app')
  const [get, ready] = [readFunction(app, 'get').bind(app), readFunction(app, 'ready').bind(app)]

  get('/forgotten', () => 'reached')
  await assert.rejects(
    async () => {
      await ready()
    },
    { code: 'route_uncovered' },
  )
})
