import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer as createPlainServer } from 'node:http'
import { Server } from 'node:net'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { createAgent, createFetch, createTlsServer } from '@countersign/client'
import { CallError, type CallErrorCode, createGuard, hasAuthority, SourceError } from '@countersign/core'
import { type Running, serve } from '@countersign/testkit'
import axios from 'axios'
import { got } from 'got'
import { readPrinted } from './blocks.ts'
import { readPage, root } from './page.ts'
import { read, readFunction } from './read.ts'
import { readTable } from './table.ts'
import { testBlocks } from './test-page.ts'
import { createWorkbench, production, type Workbench } from './workbench.ts'
import { admitNow } from '../support/admit-now.ts'

const page = readPage('docs/calling-others.md')

let bench: Workbench
let billing: Running
before(async () => {
  bench = await createWorkbench(page)
  const svid = await bench.authority.issue(`${production}/core-api`)
  bench.write('svid.0.key', svid.keyPem)
  bench.write('svid.0.pem', svid.certificatePem)
  const source = await bench.authority.source(`${production}/billing`)
  const rules = [{ path: '/internal/billing/**', allow: hasAuthority('SERVICE_core-api') }]
  const guard = createGuard({ source, rules, log: () => undefined })
  billing = await serve(guard, (request, response) => {
    response.setHeader('content-type', 'application/json')
    if ('name' in admitNow(guard, request)) response.end('{"invoices":[]}')
    else response.writeHead(403).end()
  })
  // The page calls billing at this address.
  for (const [name, { code }] of page.runnable) {
    bench.write(name, code.replaceAll('https://billing:8443', billing.url))
  }
})
after(async () => {
  const agent = read(await bench.load('with-https.ts'), 'agent')
  readFunction(agent, 'destroy').call(agent)
  await billing.close()
  await bench.close()
})

testBlocks(page, () => bench)

for (const name of ['with-fetch.ts', 'with-https.ts', 'with-axios.ts', 'with-got.ts', 'with-undici.ts']) {
  test(`${name} calls billing and prints what its comments say`, async () => {
    const block = page.runnable.get(name)
    assert.ok(block !== undefined && block.code.includes('https://billing:8443'))

    assert.deepEqual(await bench.capture(name), readPrinted(block))
  })
}

test('the table of errors lists every code of a CallError', () => {
  const listed = readTable(page.text, '| `code` |').map(([cell = '']) => cell.replaceAll('`', ''))
  const codes: Record<CallErrorCode, true> = {
    server_unreachable: true,
    server_untrusted: true,
    server_unexpected: true,
    own_certificate_missing: true,
    call_unsuitable: true,
  }

  assert.deepEqual(listed, Object.keys(codes))
})

test('calls fail with the codes and reasons in the table', async () => {
  const rows = new Map(readTable(page.text, '| `code` |').map(([code = '', , reasons = '']) => [code, reasons]))
  const call = async (url: string, { name = 'billing', isWithdrawn = false } = {}): Promise<unknown> => {
    const source = await bench.authority.source(`${production}/core-api`)
    await using fetch = createFetch(source, { servers: [`${production}/${name}`] })
    if (isWithdrawn) source.withdraw(new SourceError('agent_denied', 'the agent says that there is none'))
    return await fetch(url)
  }
  const closed = `https://127.0.0.1:${await closedPort()}`
  const cases: readonly (readonly [code: CallErrorCode, reason: string, call: () => Promise<unknown>])[] = [
    ['server_unreachable', 'ECONNREFUSED', () => call(closed)],
    ['server_unexpected', 'server_unexpected', () => call(billing.url, { name: 'ledger' })],
    ['call_unsuitable', 'request_refused', () => call(billing.url.replace('https', 'http'))],
    ['own_certificate_missing', 'agent_denied', () => call(billing.url, { isWithdrawn: true })],
  ]
  for (const [code, reason, failing] of cases) {
    const error = await fail(failing())
    assert.deepEqual([error.code, error.reason], [code, reason])
    assert.ok(rows.get(`\`${code}\``)?.includes(`\`${reason}\``), reason)
  }
})

test('find-call-error.ts finds the CallError in errors of axios and got', async () => {
  const findCallError = readFunction(await bench.load('find-call-error.ts'), 'findCallError')
  const other = `${production}/ledger`
  const agent = createAgent(await bench.authority.source(`${production}/core-api`), { servers: [other] })
  for (const run of [
    () => axios.get(billing.url, { httpsAgent: agent, proxy: false }),
    () => got(billing.url, { agent: { https: agent }, retry: { limit: 0 } }).text(),
  ]) {
    const error: unknown = await run().then(
      () => undefined,
      (reason: unknown) => reason,
    )
    assert.equal(read(findCallError(error), 'code'), 'server_unexpected')
  }
  agent.destroy()
})

test('axios without proxy: false uses the proxy of the environment, and fetch does not', async (context) => {
  const asked: (string | undefined)[] = []
  const proxy = createPlainServer().listen(0, '127.0.0.1')
  context.after(() => proxy.close())
  proxy.on('connect', ({ url }, socket) => {
    asked.push(url)
    socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
  })
  await once(proxy, 'listening')
  process.env['HTTPS_PROXY'] = `http://127.0.0.1:${portOf(proxy)}`
  context.after(() => delete process.env['HTTPS_PROXY'])

  await bench.load('with-fetch.ts?proxy')
  await bench.load('with-axios.ts?proxy')
  assert.deepEqual(asked, [])
  const code = page.runnable.get('with-axios.ts')?.code ?? ''
  bench.write('proxied.ts', code.replace(', proxy: false', '').replaceAll('https://billing:8443', billing.url))
  await assert.rejects(bench.load('proxied.ts'))
  assert.deepEqual(asked, [new URL(billing.url).host])
})

test('retry.ts retries only calls that were not sent', async () => {
  const tryAgain = readFunction(await bench.load('retry.ts'), 'tryAgain')
  const failWith = (code: CallErrorCode): CallError =>
    new CallError(code, 'failed', { reason: 'X', server: 'billing:8443' })
  const attempts = async (error: Error): Promise<number> => {
    let count = 0
    const run = async (): Promise<unknown> =>
      tryAgain(() => {
        count += 1
        throw error
      })
    await assert.rejects(run, error)
    return count
  }

  assert.equal(await attempts(failWith('server_unreachable')), 3)
  assert.equal(await attempts(failWith('server_untrusted')), 1)
  assert.equal(await attempts(new Error('socket hang up')), 1)
  assert.equal(await tryAgain(() => Promise.resolve(200)), 200)
})

test('watch-servers.ts records what the page shows', async () => {
  const servers = read(await bench.load('watch-servers.ts'), 'servers')
  assert.ok(Array.isArray(servers))
  const earlier = servers.length
  await bench.load('with-fetch.ts?watched')
  const source = await bench.authority.source(`${production}/core-api`)
  await using fetch = createFetch(source, { servers: [`${production}/ledger`] })
  await fail(fetch(billing.url))

  const shown = page.blocks.find(({ info }) => info === 'text printed by watch-servers.ts')?.code ?? ''
  const { host } = new URL(billing.url)
  assert.deepEqual(servers.slice(earlier), shown.replaceAll('billing:8443', host).trimEnd().split('\n'))
})

test('ledger.ts answers only ask-ledger.ts', async (context) => {
  const createLedger = readFunction(await bench.load('ledger.ts'), 'createLedger')
  const askLedger = readFunction(await bench.load('ask-ledger.ts'), 'askLedger')
  const sourceOf = (name: string): ReturnType<typeof bench.authority.source> =>
    bench.authority.source(`${production}/${name}`)
  const server = createLedger(await sourceOf('ledger'))
  assert.ok(server instanceof Server)
  const impostor = createTlsServer(
    await sourceOf('analytics'),
    { callers: ['spiffe://saas.example/**'] },
    () => undefined,
  )
  context.after(() => [server, impostor].map((each) => each.close()))
  for (const each of [server, impostor]) await once(each.listen(0, '127.0.0.1'), 'listening')
  const ask = async (name: string, whom = server): Promise<unknown> =>
    askLedger(await sourceOf(name), '127.0.0.1', portOf(whom))

  assert.deepEqual(await ask('billing'), { server: `${production}/ledger`, says: 'hello billing\n' })
  await assert.rejects(ask('core-api'), /ended the connection early|ECONNRESET/)
  assert.equal((await fail(ask('billing', impostor))).code, 'server_unexpected')
})

test('the examples that the page starts exist', () => {
  const commands = [...page.text.matchAll(/^node --import tsx (\S+)$/gm)].map(([, file = '']) => file)

  assert.deepEqual(commands, ['examples/service-chain/src/main.ts', 'examples/tls-pair/src/main.ts'])
  for (const file of commands) assert.ok(existsSync(join(root, file)), file)
})

async function fail(call: Promise<unknown>): Promise<CallError> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof CallError, String(error))
  return error
}

function portOf(server: Server): number {
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return address.port
}

async function closedPort(): Promise<number> {
  const server = createPlainServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = portOf(server)
  server.close()
  await once(server, 'close')
  return port
}
