import assert from 'node:assert/strict'
import test, { after, before } from 'node:test'
import { callWithFiles } from './call-with-files.ts'
import { checkDenial } from './check-denial.ts'
import { readPage } from './page.ts'
import { testBlocks, testPrinted } from './test-page.ts'
import { createWorkbench, production, type Workbench } from './workbench.ts'

const page = readPage('README.md')

let bench: Workbench
before(async () => {
  bench = await createWorkbench(page)
  bench.borrow(readPage('docs/testing.md'), 'app.ts')
})
after(() => bench.close())

testBlocks(page, () => bench)
testPrinted(page, () => bench, ['app.test.ts'])

test('the Fastify service accepts the caller that its rule names, and denies another as the page shows', async () => {
  const running = await bench.start('server.ts', 'app')

  const coreApi = running.as(await bench.authority.issue(`${production}/core-api`))
  const invoices = await coreApi.fetch('/internal/billing/invoices')
  assert.deepEqual(await invoices.json(), { invoices: [], askedBy: `${production}/core-api` })
  await checkDenial(page, bench, running)
  await assert.rejects(running.as(null).fetch('/internal/billing/invoices'))
})

test('the Express service accepts the caller that its rule names, and denies another as the page shows', async () => {
  const running = await bench.start('express-server.ts', 'server')

  const coreApi = running.as(await bench.authority.issue(`${production}/core-api`))
  const invoices = await coreApi.fetch('/internal/billing/invoices')
  assert.deepEqual(await invoices.json(), { askedBy: `${production}/core-api` })
  await checkDenial(page, bench, running)
  await assert.rejects(running.as(null).fetch('/internal/billing/invoices'))
})

test('the certificates of certificates.ts let one caller in and not the other, as the page says', async () => {
  await bench.capture('certificates.ts')

  for (const [file, variable] of [
    ['server.ts', 'app'],
    ['express-server.ts', 'server'],
  ] as const) {
    const running = await bench.start(file, variable)
    assert.equal(await callWithFiles(running, 'core-api', '/internal/billing/invoices'), '200', file)
    assert.equal(await callWithFiles(running, 'analytics', '/internal/billing/invoices'), '403', file)
  }
})

test('README.md is short: at most 10,000 bytes, its services at most 15 lines', () => {
  assert.ok(Buffer.byteLength(page.text) <= 10_000)
  for (const name of ['server.ts', 'express-server.ts']) {
    const [, ...lines] = (page.runnable.get(name)?.code ?? '').trimEnd().split('\n')
    assert.ok(lines.length > 0 && lines.length <= 15, name)
  }
})
