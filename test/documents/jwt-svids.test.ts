import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer as createHttpsServer } from 'node:https'
import { Server } from 'node:http'
import { join } from 'node:path'
import { after, before, mock, test, type TestContext } from 'node:test'
import { channels } from '@countersign/core'
import { serve } from '@countersign/testkit'
import { type Agent, startAgent } from '@countersign/testkit/workload-api'
import { readPrinted } from './blocks.ts'
import { listen } from '../conformance/listen.ts'
import { readPage, root } from './page.ts'
import { isGuard, read, readFunction } from './read.ts'
import { readTable } from './table.ts'
import { testBlocks, testPrinted } from './test-page.ts'
import { createWorkbench, production, type Workbench } from './workbench.ts'

const page = readPage('docs/jwt-svids.md')

let bench: Workbench
let agent: Agent
before(async () => {
  bench = await createWorkbench(page)
  bench.borrow(readPage('docs/operating.md'), 'source.ts')
  bench.write('bundle.json', bench.authority.jwtBundle)
  agent = await startAgent({ authority: bench.authority, entries: [{ spiffeId: `${production}/core-api` }] })
  process.env['SPIFFE_ENDPOINT_SOCKET'] = agent.endpoint
})
after(async () => {
  for (const [file, name] of [
    ['verify.ts', 'bundles'],
    ['bundle-files.ts', 'bundles'],
    ['source.ts', 'source'],
  ] as const) {
    const source = read(await bench.load(file), name)
    await readFunction(source, 'close').call(source)
  }
  delete process.env['SPIFFE_ENDPOINT_SOCKET']
  await agent.close()
  await bench.close()
})

testBlocks(page, () => bench)
testPrinted(page, () => bench, ['bundle-files.ts', 'tokens.test.ts'])

/** Starts server.ts on a free port, and stops it after the test. */
async function startService(context: TestContext): Promise<number> {
  const code = page.runnable.get('server.ts')?.code ?? ''
  assert.ok(code.includes('8080'))
  started += 1
  bench.write(`server-${started}.ts`, code.replace('8080', '0'))
  const server = read(await bench.load(`server-${started}.ts`), 'server')
  assert.ok(server instanceof Server)
  context.after(() => {
    server.close()
    server.closeAllConnections()
  })
  if (!server.listening) await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return address.port
}

let started = 0

test('call.ts reaches the service behind a proxy that terminates TLS, with a token that the service verifies', async (context) => {
  const port = await startService(context)
  const gateway = await bench.authority.issue(`${production}/gateway`)
  const proxy = createHttpsServer(
    { key: gateway.keyPem, cert: gateway.certificatePem, requestCert: true, rejectUnauthorized: false },
    ({ url = '', headers: { authorization = '' } }, response) => {
      void fetch(`http://127.0.0.1:${port}${url}`, { headers: { authorization } }).then(async (answer) => {
        response.writeHead(answer.status).end(await answer.text())
      })
    },
  )
  context.after(() => {
    proxy.close()
  })
  const block = page.runnable.get('call.ts')
  assert.ok(block !== undefined && block.code.includes('https://gateway:8443'))
  bench.write('call.ts', block.code.replace('https://gateway:8443', `https://127.0.0.1:${await listen(proxy)}`))

  assert.deepEqual(await bench.capture('call.ts'), readPrinted(block))
})

test('server.ts answers 401 without a valid token, and logs only the reason', async (context) => {
  const log = mock.method(console, 'log', () => undefined)
  const url = `http://127.0.0.1:${await startService(context)}`
  const { token } = bench.authority.issueJwt(`${production}/core-api`, { audience: 'ledger' })
  const statuses = [await fetch(url), await fetch(url, { headers: { authorization: `Bearer ${token}` } })]
  log.mock.restore()

  assert.deepEqual(
    statuses.map(({ status }) => status),
    [401, 401],
  )
  assert.deepEqual(
    log.mock.calls.map((call) => call.arguments),
    [['token_malformed'], ['audience_unexpected']],
  )
})

test('guard.ts answers each request as the table shows', async (context) => {
  const { authority } = bench
  const guard = read(await bench.load('guard.ts'), 'guard')
  assert.ok(isGuard(guard))
  const running = await serve(guard, (_request, response) => void response.end())
  context.after(() => running.close())
  const reasons: unknown[] = []
  const note = (event: unknown): void => void reasons.push(read(event, 'reason'))
  subscribe(channels.denial, note)
  context.after(() => unsubscribe(channels.denial, note))
  const id = `${production}/core-api`
  const tokens = new Map([
    ['of core-api', authority.issueJwt(id, { audience: 'billing' }).token],
    ['of core-api, expired', authority.issueJwt(id, { audience: 'billing', faults: ['expired'] }).token],
    ['of core-api, for another service', authority.issueJwt(id, { audience: 'ledger' }).token],
  ])

  const rows = readTable(page.text, '| certificate of the caller |')
  assert.equal(rows.length, 7)
  for (const [caller = '', kind = '', path = '', answer = ''] of rows) {
    const token = tokens.get(kind)
    assert.ok(token !== undefined || kind === 'none', kind)
    const peer = running.as(caller === 'none' ? null : await authority.issue(`${production}/${caller}`))
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const { status } = await peer.fetch(path.replaceAll('`', ''), { headers })
    assert.equal(String(status), answer.slice(0, 3), `${caller}, ${kind}, ${path}`)
    const [, reason] = /`(\w+)`$/.exec(answer) ?? []
    if (status === 401) assert.equal(reasons.at(-1), reason)
  }
})

test('the table of faults lists every fault of a JWT-SVID', () => {
  const cells = readTable(page.text, '| what is wrong |').map(([, faults = '']) => faults)
  const listed = cells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, name = '']) => name))
  const source = readFileSync(join(root, 'packages/testkit/src/jwt-faults.ts'), 'utf8')
  const [, union = ''] = /^export type JwtFault =([^]+?)\n\n/m.exec(source) ?? []
  const faults = [...union.matchAll(/'(\w+)'/g)].map(([, name = '']) => name)

  assert.ok(faults.length > 20)
  assert.deepEqual(listed.toSorted(), faults.toSorted())
})
