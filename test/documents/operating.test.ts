import assert from 'node:assert/strict'
import test, { after, before } from 'node:test'
import type { GuardOptions, SourceNotice, X509Material } from '@countersign/core'
import { readPage } from './page.ts'
import { isSource, read } from './read.ts'
import { readTable } from './table.ts'
import { testBlocks } from './test-page.ts'
import { waitForEvent } from '../support/wait-for-event.ts'
import { createWorkbench, production, type Workbench } from './workbench.ts'

const page = readPage('docs/operating.md')

let bench: Workbench
before(async () => {
  bench = await createWorkbench(page)
  bench.borrow(readPage('docs/testing.md'), 'app.ts')
})
after(() => bench.close())

testBlocks(page, () => bench)

test('the Fastify service accepts the callers that its rules and routes name', async () => {
  const running = await bench.start('server.ts', 'app')

  const coreApi = running.as(await bench.authority.issue(`${production}/core-api`))
  const analytics = running.as(await bench.authority.issue(`${production}/analytics`))
  const invoices = await coreApi.fetch('/internal/billing/invoices')
  assert.deepEqual(await invoices.json(), { invoices: [], askedBy: `${production}/core-api` })
  assert.equal((await coreApi.fetch('/internal/analytics/data')).status, 200)
  assert.equal((await analytics.fetch('/internal/analytics/data')).status, 200)
  assert.equal((await analytics.fetch('/internal/billing/invoices')).status, 403)
  assert.equal((await coreApi.fetch('/internal/refunds', { method: 'POST' })).status, 200)
  assert.equal((await analytics.fetch('/internal/refunds', { method: 'POST' })).status, 403)
  assert.equal((await coreApi.fetch('/uncovered')).status, 403)
  await assert.rejects(running.as(null).fetch('/internal/analytics/data'))
})

test('the Express service accepts the callers that its rules and routes name', async () => {
  const running = await bench.start('express-server.ts', 'server')

  const coreApi = running.as(await bench.authority.issue(`${production}/core-api`))
  const analytics = running.as(await bench.authority.issue(`${production}/analytics`))
  const invoices = await coreApi.fetch('/internal/billing/invoices')
  assert.deepEqual(await invoices.json(), { invoices: [], askedBy: `${production}/core-api` })
  assert.equal((await analytics.fetch('/internal/billing/invoices')).status, 403)
  assert.equal((await coreApi.fetch('/internal/refunds', { method: 'POST' })).status, 200)
  assert.equal((await analytics.fetch('/internal/refunds', { method: 'POST' })).status, 403)
  assert.equal((await coreApi.fetch('/uncovered')).status, 403)
  await assert.rejects(running.as(null).fetch('/internal/refunds', { method: 'POST' }))
})

test('source.ts accepts new files, and keeps its material while they do not match', async () => {
  const source = read(await bench.load('source.ts'), 'source')
  assert.ok(isSource(source))
  const next = await bench.authority.issue(`${production}/billing`)

  bench.write('svid.0.pem', next.certificatePem)
  await waitForEvent<SourceNotice>(
    (listener) => source.onNotice?.(listener),
    ({ code }) => code === 'key_mismatch',
  )
  assert.notEqual(source.current.svid.serialNumber, next.serialNumber)
  bench.write('svid.0.key', next.keyPem)
  await waitForEvent<X509Material>(
    (listener) => source.onUpdate(listener),
    ({ svid }) => svid.serialNumber === next.serialNumber,
  )
  assert.equal(source.current.svid.serialNumber, next.serialNumber)
})

test('the table of options lists every option of createGuard', () => {
  const listed = readTable(page.text, '| option | default |').map(([cell = '']) => cell.replaceAll('`', ''))
  const options: Record<keyof GuardOptions, true> = {
    source: true,
    rules: true,
    policies: true,
    authorizer: true,
    trustDomains: true,
    namespaces: true,
    authorities: true,
    identity: true,
    maxCertificateLifetime: true,
    tls: true,
    onExpiry: true,
    credentials: true,
    permissive: true,
    mode: true,
    log: true,
    formatDenial: true,
  }

  assert.deepEqual(listed, Object.keys(options))
})
