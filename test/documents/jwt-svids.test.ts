import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer as createHttpsServer } from 'node:https'
import { createServer, Server } from 'node:http'
import { join } from 'node:path'
import { after, before, mock, test } from 'node:test'
import { type Agent, startAgent } from '@countersign/testkit/workload-api'
import { readPrinted } from './blocks.ts'
import { listen } from '../conformance/listen.ts'
import { readPage, root } from './page.ts'
import { read, readFunction } from './read.ts'
import { readTable } from './table.ts'
import { testBlocks, testPrinted } from './test-page.ts'
import { createWorkbench, production, type Workbench } from './workbench.ts'

const page = readPage('docs/jwt-svids.md')

let bench: Workbench
let agent: Agent
before(async () => {
  bench = await createWorkbench(page)
  bench.write('bundle.json', bench.authority.jwtBundle)
  agent = await startAgent({ authority: bench.authority, entries: [{ spiffeId: `${production}/core-api` }] })
  process.env['SPIFFE_ENDPOINT_SOCKET'] = agent.endpoint
})
after(async () => {
  for (const name of ['verify.ts', 'bundle-files.ts']) {
    const bundles = read(await bench.load(name), 'bundles')
    await readFunction(bundles, 'close').call(bundles)
  }
  delete process.env['SPIFFE_ENDPOINT_SOCKET']
  await agent.close()
  await bench.close()
})

testBlocks(page, () => bench)
testPrinted(page, () => bench, ['bundle-files.ts', 'tokens.test.ts'])

test('call.ts reaches the service behind a proxy that terminates TLS, with a token that the service verifies', async (context) => {
  const service = read(await bench.load('server.ts'), 'server')
  assert.ok(service instanceof Server)
  const port = await listen(service)
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
    service.close()
    service.closeAllConnections()
  })
  const block = page.runnable.get('call.ts')
  assert.ok(block !== undefined && block.code.includes('https://gateway:8443'))
  bench.write('call.ts', block.code.replace('https://gateway:8443', `https://127.0.0.1:${await listen(proxy)}`))

  assert.deepEqual(await bench.capture('call.ts'), readPrinted(block))
})

test('server.ts answers 401 without a valid token, and logs only the reason', async (context) => {
  const handle = read(await bench.load('server.ts'), 'server')
  assert.ok(handle instanceof Server)
  const server = createServer((request, response) => handle.emit('request', request, response))
  context.after(() => server.close())
  const log = mock.method(console, 'log', () => undefined)
  const url = `http://127.0.0.1:${await listen(server)}`
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

test('the table of faults lists every fault of a JWT-SVID', () => {
  const cells = readTable(page.text, '| what is wrong |').map(([, faults = '']) => faults)
  const listed = cells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, name = '']) => name))
  const source = readFileSync(join(root, 'packages/testkit/src/jwt-faults.ts'), 'utf8')
  const [, union = ''] = /^export type JwtFault =([^]+?)\n\n/m.exec(source) ?? []
  const faults = [...union.matchAll(/'(\w+)'/g)].map(([, name = '']) => name)

  assert.ok(faults.length > 20)
  assert.deepEqual(listed.toSorted(), faults.toSorted())
})
