import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, Server } from 'node:net'
import test, { after, before, type TestContext } from 'node:test'
import { connect, type ConnectionOptions } from 'node:tls'
import { createAuthority, type TestSvid } from '@countersign/testkit'
import { readPage } from './page.ts'
import { isSource, read } from './read.ts'
import { testBlocks, testPrinted } from './test-page.ts'
import { createWorkbench, production, type Workbench } from './workbench.ts'

const page = readPage('packages/spiffe/README.md')

let bench: Workbench
before(async () => {
  bench = await createWorkbench(page)
})
after(() => bench.close())

testBlocks(page, () => bench)
testPrinted(page, () => bench, ['refused.ts', 'names.ts'])

test('the first example has at most ten lines', () => {
  const lines =
    page.runnable
      .get('proxy.ts')
      ?.code.split('\n')
      .filter((line) => line !== '' && !line.startsWith('//')) ?? []
  assert.ok(lines.length > 0 && lines.length <= 10, `it has ${lines.length}`)
})

test('the proxy forwards only the connections of the one workload and closes all others', async (context) => {
  const port = await startProxy(context)
  const { authority } = bench
  const intermediate = await authority.intermediate()
  const other = await createAuthority('saas.example')
  const answers = {
    'core-api': await call(port, await authority.issue(`${production}/core-api`)),
    'core-api of an intermediate': await call(port, await intermediate.issue(`${production}/core-api`)),
    mailer: await call(port, await authority.issue(`${production}/mailer`)),
    'core-api of another authority': await call(port, await other.issue(`${production}/core-api`)),
    'an expired core-api': await call(port, await authority.issue(`${production}/core-api`, { faults: ['expired'] })),
    'an unauthenticated caller': await call(port, null),
  }
  assert.deepEqual(answers, {
    'core-api': 'forwarded',
    'core-api of an intermediate': 'forwarded',
    mailer: '',
    'core-api of another authority': '',
    'an expired core-api': '',
    'an unauthenticated caller': '',
  })
})

/** Starts the page's proxy in front of a service, both on free ports. */
async function startProxy(context: TestContext): Promise<number> {
  const service = createServer((socket) => void socket.end('forwarded'))
  service.listen(0, '127.0.0.1')
  await once(service, 'listening')
  const code = page.runnable.get('proxy.ts')?.code ?? ''
  assert.ok(code.includes('connect(5432)') && code.includes('.listen(8443)'))
  const moved = code
    .replace('connect(5432)', `connect(${portOf(service)}, '127.0.0.1')`)
    .replace('.listen(8443)', ".listen(0, '127.0.0.1')")
  bench.write('moved-proxy.ts', moved)
  const loaded = await bench.load('moved-proxy.ts')
  const [proxy, source] = [read(loaded, 'proxy'), read(loaded, 'source')]
  assert.ok(proxy instanceof Server && isSource(source))
  if (!proxy.listening) await once(proxy, 'listening')
  context.after(async () => {
    proxy.close()
    service.close()
    await source.close()
  })
  return portOf(proxy)
}

/** What a caller with this SVID receives before its connection closes. */
function call(port: number, svid: TestSvid | null): Promise<string> {
  const shown: ConnectionOptions = svid === null ? {} : { key: svid.keyPem, cert: svid.certificatePem }
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...shown })
  let received = ''
  socket.setEncoding('utf8').on('data', (text: string) => (received += text))
  socket.on('error', () => undefined)
  return new Promise((resolve) => socket.once('close', () => resolve(received)))
}

function portOf(server: Server): number {
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return address.port
}
