import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Server } from 'node:net'
import { join } from 'node:path'
import test, { after, before, type TestContext } from 'node:test'
import { connect } from 'node:tls'
import type { NoticingSource } from '@countersign/spiffe'
import { authenticated, createGuard, type CountersignEvent, type SourceNotice } from '@countersign/core'
import { createAuthority, Running, serve } from '@countersign/testkit'
import { type Agent, type AgentFault, type RegistrationEntry, startAgent } from '@countersign/testkit/workload-api'
import { AgentError, workloadApiSource } from '@countersign/workload-api'
import { waitForEvent } from '../support/wait-for-event.ts'
import { readPage, root } from './page.ts'
import { asObject, isGuard, isSource, read, readFunction } from './read.ts'
import { readTable } from './table.ts'
import { testBlocks, testPrinted } from './test-page.ts'
import { createWorkbench, production, type Workbench } from './workbench.ts'

const page = readPage('docs/spire.md')
const billing: RegistrationEntry = {
  spiffeId: `${production}/billing`,
  hint: 'internal',
  federatesWith: ['partner.example'],
}
const entries: readonly RegistrationEntry[] = [billing, { spiffeId: `${production}/billing-public`, hint: 'public' }]

let bench: Workbench
let agent: Agent
before(async () => {
  bench = await createWorkbench(page)
  agent = await startAgent({ authorities: [bench.authority, await createAuthority('partner.example')], entries })
  process.env['SPIFFE_ENDPOINT_SOCKET'] = agent.endpoint
})
after(async () => {
  delete process.env['SPIFFE_ENDPOINT_SOCKET']
  const sources = ['by-hint.ts', 'partners.ts'].map(async (name) => closeSource(await bench.load(name)))
  await Promise.all(sources)
  await agent.close()
  await bench.close()
})

testBlocks(page, () => bench)
testPrinted(page, () => bench, ['by-hint.ts'])

test('the service uses the SVID of the agent, and is ready while it has one', async (context) => {
  const code = page.runnable.get('service.ts')?.code ?? ''
  for (const shown of ['port: 8081', 'port: 8443', "'0.0.0.0'", 'logger: true']) assert.ok(code.includes(shown), shown)
  const free = code
    .replace('port: 8081', "port: 0, host: '127.0.0.1'")
    .replace('port: 8443', 'port: 0')
    .replace("'0.0.0.0'", "'127.0.0.1'")
    .replace('logger: true', 'logger: false')
    .replace('await guard.probeListener', 'const probes = await guard.probeListener')
  bench.write('free-service.ts', `${free}\nexport { app, probes, source }\n`)
  const loaded = await bench.load('free-service.ts')
  const [app, probes, source] = [read(loaded, 'app'), asObject(read(loaded, 'probes')), read(loaded, 'source')]
  assert.ok(isSource(source))
  context.after(async () => {
    await readFunction(app, 'close').call(app)
    await readFunction(probes, 'close').call(probes)
    await source.close()
  })
  const running = observe(app)
  const coreApi = running.as(await bench.authority.issue(`${production}/core-api`))
  const ready = async (): Promise<number> =>
    (await fetch(`http://127.0.0.1:${String(read(probes, 'port'))}/readyz`)).status

  const invoices = await coreApi.fetch('/internal/billing/invoices')
  assert.deepEqual(await invoices.json(), { invoices: [], askedBy: `${production}/core-api` })
  assert.equal(await ready(), 200)

  const lost = waitForEvent<SourceNotice>(
    (listener) => source.onNotice?.(listener),
    ({ outcome }) => outcome === 'lost',
  )
  await agent.setEntries([])
  assert.equal((await lost).code, 'agent_denied')
  assert.equal(await ready(), 503)

  const regained = waitForEvent(
    (listener) => source.onUpdate(listener),
    () => true,
  )
  await agent.setEntries(entries)
  await regained
  assert.equal(await ready(), 200)
})

test("the service of docs/operating.md starts with only the agent's address", async (context) => {
  const { runnable } = readPage('docs/operating.md')
  const code = runnable.get('live-server.ts')?.code ?? ''
  assert.ok(code.includes('8443') && code.includes("'0.0.0.0'"))
  const free = code.replace('8443', '0').replace("'0.0.0.0'", "'127.0.0.1'")
  bench.borrow(readPage('docs/testing.md'), 'app.ts')
  bench.write('live-server.ts', `${free}\nexport { app, source }\n`)
  const loaded = await bench.load('live-server.ts')
  const app = read(loaded, 'app')
  context.after(async () => {
    await readFunction(app, 'close').call(app)
    await closeSource(loaded)
  })

  const coreApi = observe(app).as(await bench.authority.issue(`${production}/core-api`))
  assert.equal((await coreApi.fetch('/internal/billing/invoices')).status, 200)
})

test('a partner is accepted through its bundle and the list of trust domains', async () => {
  const loaded = await bench.load('partners.ts')
  const [source, guard] = [read(loaded, 'source'), read(loaded, 'guard')]
  assert.ok(isSource(source) && isGuard(guard))

  assert.deepEqual([...source.current.bundles.keys()].toSorted(), ['partner.example', 'saas.example'])
  const explain = (caller: string): string =>
    guard.explain({ caller, method: 'GET', path: '/partners/1' }).decision.effect
  assert.equal(explain('spiffe://partner.example/ns/sales/sa/orders'), 'allow')
  assert.equal(explain(`${production}/core-api`), 'deny')
})

test("when a federation ends, only the partner's workloads are disconnected, and a warning names the partner", async (context) => {
  const partner = await createAuthority('partner.example')
  const own = await startAgent({ authorities: [bench.authority, partner], entries: [billing] })
  context.after(() => own.close())
  const source = await workloadApiSource({ endpoint: own.endpoint })
  context.after(() => source.close())
  const events: CountersignEvent[] = []
  const guard = createGuard({
    source,
    trustDomains: ['saas.example', 'partner.example'],
    rules: [{ path: '/**', allow: authenticated() }],
    log: (event) => void events.push(event),
  })
  await using running = await serve(guard, (_request, response) => response.end())
  const theirs = running.as(await partner.issue('spiffe://partner.example/ns/sales/sa/orders'))
  const ours = running.as(await bench.authority.issue(`${production}/core-api`))
  const other = await partner.issue('spiffe://partner.example/ns/sales/sa/refunds')
  const connection = connect({
    host: '127.0.0.1',
    port: Number(new URL(running.url).port),
    key: other.keyPem,
    cert: other.certificatePem,
    rejectUnauthorized: false,
  })
  const closed = once(connection, 'close')
  connection.on('error', () => undefined).resume()
  await once(connection, 'secureConnect')
  assert.equal((await theirs.fetch('/')).status, 200)

  await own.setEntries([{ ...billing, federatesWith: [] }])

  await closed
  const warnings = events.flatMap((event) => (event.type === 'source' && event.code === 'bundle_empty' ? [event] : []))
  assert.deepEqual(
    warnings.map(({ outcome, trustDomain }) => [outcome, trustDomain]),
    [['warning', 'partner.example']],
  )
  await assert.rejects(theirs.fetch('/'))
  assert.equal((await ours.fetch('/')).status, 200)
})

test('each gRPC status in the table has the listed code, and no meaningful status is missing', () => {
  const rows = readTable(page.text, '| `code` | gRPC status |')
  const listed: string[] = []
  let code = ''
  for (const [codeCell = '', statusCell = ''] of rows) {
    code = /^`(\w+)`/.exec(codeCell)?.[1] ?? code
    for (const [, status = ''] of statusCell.matchAll(/`([A-Z_]+)`/g)) {
      const error = new AgentError({ method: 'FetchX509SVID', code: status, details: '', endpoint: agent.endpoint })
      assert.equal(error.code, code, status)
      listed.push(status)
    }
  }
  const source = readFileSync(join(root, 'packages/workload-api/src/wire/agent-error.ts'), 'utf8')
  const meant = [...source.matchAll(/'([A-Z]+(?:_[A-Z]+)*)',/g)].map(([, status = '']) => status)

  assert.ok(meant.length >= 5)
  assert.deepEqual(
    meant.filter((status) => !listed.includes(status)),
    [],
  )
})

test('every code of an agent source is in both tables', () => {
  const errors = readFileSync(join(root, 'packages/spiffe/src/errors.ts'), 'utf8')
  const codes = [...errors.matchAll(/'(agent_\w+|svid_withdrawn|message_malformed)'/g)].map(([, code = '']) => code)

  assert.ok(codes.length >= 7)
  for (const heading of ['| `code` | gRPC status |', '| `code` | outcome |']) {
    const listed = readTable(page.text, heading).flatMap(([cell = '']) => readCodes(cell))
    assert.deepEqual(
      codes.filter((code) => !listed.includes(code)),
      [],
      heading,
    )
  }
})

const faults: ReadonlyMap<string, AgentFault> = new Map([
  ['agent_unreachable', 'no_socket'],
  ['agent_failed', 'internal'],
  ['agent_denied', 'permission_denied'],
  ['agent_refused', 'invalid_argument'],
  ['agent_unsupported', 'unimplemented'],
  ['message_malformed', 'empty_key'],
  ['key_mismatch', 'wrong_key'],
  ['svid_unusable', 'expired_svid'],
])

for (const [codeCell = '', outcomeCell = '', kept = ''] of readTable(page.text, '| `code` | outcome |')) {
  for (const code of readCodes(codeCell)) {
    test(`a running source with ${code} reports and keeps what the table says`, async (context) => {
      const { source, own } = await startOwn(context)
      const noticed = waitForEvent<SourceNotice>(
        (listener) => source.onNotice(listener),
        () => true,
      )
      const fault = faults.get(code)
      if (fault === undefined) await own.setEntries([{ ...billing, federatesWith: [], hint: 'another' }])
      else await own.fail(fault)
      const notice = await noticed

      assert.deepEqual([notice.code, `\`${notice.outcome}\``], [code, outcomeCell])
      if (kept.startsWith('stays in use')) assert.equal(String(source.current.svid.spiffeId), billing.spiffeId)
      else assert.throws(() => source.current, { code })
    })
  }
}

/** A source of a separate agent, with the hint `internal`. */
async function startOwn(context: TestContext): Promise<{ readonly source: NoticingSource; readonly own: Agent }> {
  const own = await startAgent({ authority: bench.authority, entries: [{ ...billing, federatesWith: [] }] })
  context.after(() => own.close())
  const source = await workloadApiSource({ endpoint: own.endpoint, hint: 'internal', maxRetryMs: 50 })
  context.after(() => source.close())
  return { source, own }
}

function readCodes(cell: string): readonly string[] {
  return [...cell.matchAll(/`(\w+)`/g)].map(([, code = '']) => code)
}

function observe(app: unknown): Running {
  const server = read(app, 'server')
  assert.ok(server instanceof Server)
  return new Running(server, () => Promise.resolve())
}

async function closeSource(loaded: unknown): Promise<void> {
  const source = read(loaded, 'source')
  assert.ok(isSource(source))
  await source.close()
}
