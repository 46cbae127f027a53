import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { Agent } from 'node:https'
import { join } from 'node:path'
import test, { after, before, type TestContext } from 'node:test'
import { channels } from '@countersign/core'
import { startAgent } from '@countersign/testkit/workload-api'
import { runInProcess } from '../cli/run-in-process.ts'
import { stopClock } from '../guard/stopped-clock.ts'
import { readPrinted } from './blocks.ts'
import { applyDiff } from './diff-block.ts'
import { apiKeys, call, closed, type Deployment, deploy, prepare, readFiles, remaining } from './migrating-service.ts'
import { readPage } from './page.ts'
import { read, readFunction } from './read.ts'
import { testBlocks, testPrinted } from './test-page.ts'
import { createWorkbench, production, type Workbench } from './workbench.ts'

const page = readPage('docs/migration.md')
const coreApi = `${production}/core-api`
const operations = `${production}/operations`

let bench: Workbench
before(async () => {
  bench = await createWorkbench(page)
  await prepare(bench)
})
after(async () => {
  const source = read(await bench.load('source.ts'), 'source')
  await readFunction(source, 'close').call(source)
  await bench.close()
})

testBlocks(page, () => bench)
testPrinted(page, () => bench, ['explain.ts'])

test('call.ts reaches the service with its certificate alone', async (t) => {
  const { port } = await deploy(t, join(bench.folder, 'call'), readFiles(page))
  const block = page.runnable.get('call.ts')
  assert.ok(block !== undefined)
  bench.write('call.ts', block.code.replace('https://billing:8443', `https://127.0.0.1:${port}`))

  assert.deepEqual(await bench.capture('call.ts'), readPrinted(block))
})

test('a service with API keys becomes strict in the five steps of the page', async (t) => {
  const { authority, folder } = bench
  const clock = stopClock(t, Date.now())
  const modes = collectModes(t)
  const { bundlePem } = authority
  const withSvid = { bundlePem, svid: await authority.issue(coreApi) }
  const withKey = { bundlePem, key: apiKeys.CORE_API_KEY }
  const reports = { key: apiKeys.REPORTS_KEY }
  const agent = await startAgent({ authority, entries: [{ spiffeId: operations }] })
  t.after(() => agent.close())
  const readiness = ({ port }: Deployment, ...options: readonly string[]): ReturnType<typeof runInProcess> => {
    const url = `https://127.0.0.1:${port}/internal/readiness`
    const all = ['readiness', url, '--server', `${production}/billing`, ...options]
    return runInProcess(all, { SPIFFE_ENDPOINT_SOCKET: agent.endpoint })
  }
  const files = readFiles(page)
  const [closing, ...removing] = page.blocks.filter(({ info }) => info === 'diff')
  assert.ok(closing !== undefined && removing.length === 2)
  const closedFiles = applyDiff(closing, files)
  const refund = { path: '/refunds', method: 'POST' }

  // Step 1: certificates beside API keys.
  const first = await deploy(t, join(folder, 'step-1'), files)
  const { port, oldPort } = first
  assert.deepEqual(modes, [['started', ['rules[0] (/invoices/**)', 'rules[1] (/refunds)']]])
  for (const caller of [
    { port, ...withKey },
    { port: oldPort, ...withKey },
    { port: oldPort, ...reports },
  ]) {
    assert.deepEqual(await call(caller), { status: '200', body: '{"askedBy":"an API key"}' })
    assert.equal((await call({ ...caller, path: '/internal/readiness' })).status, '401')
  }
  assert.equal((await call({ port: oldPort, key: 'stolen' })).status, '401')

  // Step 2: core-api moves, and needs no key any more.
  for (const at of [port, oldPort]) {
    assert.deepEqual(await call({ ...withSvid, port: at }), { status: '200', body: `{"askedBy":"${coreApi}"}` })
  }
  assert.equal((await call({ ...withSvid, ...refund, port })).status, '200')

  // Step 3: reports is left. A request with an invalid key has no name.
  const denied = first.guard.readiness()?.entries.filter(({ strict }) => strict === 'deny') ?? []
  assert.deepEqual(
    denied.map(({ caller, requests }) => [caller, requests]),
    [
      ['anonymous', 1],
      ['core-api', 2],
      ['reports', 1],
    ],
  )
  assert.match((await readiness(first)).output, /^not ready: 3 callers\n/)
  await first.close()
  const second = await deploy(t, join(folder, 'step-3'), files)
  await call({ ...reports, port: second.oldPort })
  await call({ ...withSvid, port: second.port })
  await readiness(second)
  const left = await readiness(second)
  const shown = page.blocks.find(({ info }) => info === 'text printed by countersign readiness')
  assert.deepEqual(withoutNumbers(left.output), withoutNumbers(shown?.code ?? ''))
  assert.equal(left.exitCode, 1)
  await second.close()

  // Step 4: a route is closed to callers without a certificate. The new process has not seen reports yet.
  const third = await deploy(t, join(folder, 'step-4'), closedFiles)
  assert.match((await call({ ...withKey, ...refund, port: third.port })).body, /"code":"authentication_required"/)
  assert.equal((await call({ ...withSvid, ...refund, port: third.port })).status, '200')
  const early = await readiness(third)
  assert.match(early.output, /^ready\n[^]*This is short/)
  assert.equal(early.exitCode, 0)
  assert.equal((await readiness(third, '--min-period', '31d')).exitCode, 1)
  assert.equal((await call({ ...reports, port: third.oldPort })).status, '200')
  assert.equal((await readiness(third)).exitCode, 1)

  // Step 5: the deadline, which reports has missed.
  const open = new Agent({ keepAlive: true })
  t.after(() => open.destroy())
  await call({ ...withSvid, port: third.port, agent: open })
  const sockets = Object.values(open.freeSockets).flat()
  clock.pass(remaining)
  assert.equal(modes.at(-1)?.[0], 'ended')
  assert.deepEqual(await call({ ...reports, port: third.oldPort }), closed)
  assert.deepEqual(await call({ ...reports, bundlePem, port: third.port }), closed)
  assert.equal((await call({ ...withSvid, port: third.port, agent: open })).status, '200')
  assert.deepEqual(Object.values(open.freeSockets).flat(), sockets)
  assert.equal((await call({ ...withSvid, port: third.oldPort })).status, '200')
  const late = await readiness(third)
  assert.match(late.output, /^not ready: 1 caller\n[^]*deadline .*, passed/)
  assert.match(late.output, /^deny +\/invoices\/\*\* +reports +anonymous +1 /m)
  const forgotten = third.guard.review(undefined).map(({ id }) => id)
  assert.ok(forgotten.includes('permissive_mode') && forgotten.includes('plaintext_port'))
  await third.close()

  // The same service, started again.
  const fourth = await deploy(t, join(folder, 'late'), closedFiles)
  assert.equal(modes.at(-1)?.[0], 'expired')
  assert.deepEqual(await call({ ...withKey, port: fourth.port }), closed)
  assert.equal((await call({ ...withSvid, port: fourth.port })).status, '200')
  await fourth.close()

  // Nothing is left of the migration.
  const clean = removing.reduce((changed, block) => applyDiff(block, changed), closedFiles)
  for (const name of ['guard.ts', 'server.ts']) {
    bench.write(`clean-${name}`, (clean.get(name) ?? '').replace("'./guard.ts'", "'./clean-guard.ts'"))
  }
  assert.equal(bench.compile(), '')
  assert.doesNotMatch(
    [clean.get('guard.ts'), clean.get('server.ts')].join(),
    /anonymous|permissive|readiness|api-?key|8080/i,
  )
  const strict = await deploy(t, join(folder, 'step-5'), clean)
  assert.deepEqual(await call({ ...withKey, port: strict.port }), closed)
  assert.equal((await call({ ...withSvid, port: strict.port })).status, '200')
})

/** Collects the outcomes of the events about modes, and the routes that they list. */
function collectModes(t: TestContext): readonly (readonly [outcome: unknown, routes: unknown])[] {
  const events: (readonly [unknown, unknown])[] = []
  const note = (event: unknown): void => void events.push([read(event, 'outcome'), read(event, 'routes')])
  subscribe(channels.mode, note)
  t.after(() => unsubscribe(channels.mode, note))
  return events
}

/** The words of a report: without numbers, times and the widths of columns. */
function withoutNumbers(report: string): readonly string[] {
  return report
    .replace(/^ +This is short[^]*?missing\.\n/m, '')
    .replaceAll(/\d[\d-]*T[\d:]+Z/g, '<time>')
    .replaceAll(/\d+ [dhms]( \d+ [dhms])?/g, '<span>')
    .replaceAll(/(?<= )\d+(?= )/g, '<count>')
    .split('\n')
    .map((line) => line.replaceAll(/ {2,}/g, '  '))
}
