import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { request } from 'node:http'
import { Agent } from 'node:https'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import test, { after, before } from 'node:test'
import { channels } from '@countersign/core'
import { stopClock } from '../guard/stopped-clock.ts'
import { apiKeys, type Call, call, closed, deploy, prepare, readFiles, remaining } from './migrating-service.ts'
import { readPage } from './page.ts'
import { readTable } from './table.ts'
import { createWorkbench, production, type Workbench } from './workbench.ts'

const page = readPage('docs/migration.md')
const coreApi = `${production}/core-api`
const key = apiKeys.REPORTS_KEY

let bench: Workbench
before(async () => {
  bench = await createWorkbench(page)
  await prepare(bench)
})
after(() => bench.close())

for (const main of ['server.ts', 'fastify-server.ts'] as const) {
  test(`${main}: each caller receives what the table shows, before and after the deadline`, async (t) => {
    const { authority, folder } = bench
    const { bundlePem } = authority
    const clock = stopClock(t, Date.now())
    const { port, oldPort } = await deploy(t, join(folder, `table-of-${main.slice(0, -3)}`), readFiles(page), main)
    const agent = new Agent({ keepAlive: true })
    t.after(() => agent.destroy())
    const [known, stranger, expired] = [
      await authority.issue(coreApi),
      await authority.issue(`${production}/analytics`),
      await authority.issue(coreApi, { faults: ['expired'] }),
    ]
    const calls = new Map<string, Call>([
      ['in plaintext, with an API key', { port: oldPort, key }],
      ['with TLS and an API key', { port, bundlePem, key }],
      ['with TLS and an API key, on an open connection', { port, bundlePem, key, agent }],
      ['with neither a certificate nor an API key', { port, bundlePem }],
      ['with a certificate that the rule allows', { port, bundlePem, svid: known }],
      ['with a certificate that the rule does not allow, and an API key', { port, bundlePem, svid: stranger, key }],
      ['with an expired certificate and an API key', { port, bundlePem, svid: expired, key }],
    ])
    const rows = readTable(page.text, '| caller | before the deadline |')
    const answers = async (): Promise<readonly string[]> => {
      const received: string[] = []
      for (const each of calls.values()) received.push((await call(each)).status)
      return received
    }

    assert.deepEqual(
      rows.map(([caller]) => caller),
      [...calls.keys()],
    )
    assert.deepEqual(
      await answers(),
      rows.map(([, before]) => before),
    )
    clock.pass(remaining)
    assert.deepEqual(
      await answers(),
      rows.map(([, , later]) => later),
    )
  })
}

test('the deadline cuts off what callers without a certificate have in progress, and nothing else', async (t) => {
  const { authority, folder } = bench
  const { bundlePem } = authority
  const clock = stopClock(t, Date.now())
  const files = readFiles(page)
  const { port, oldPort } = await deploy(
    t,
    join(folder, 'running'),
    files.set('server.ts', addEndless(files.get('server.ts'))),
  )
  const svid = await authority.issue(coreApi)
  const path = '/invoices/all'
  const decided = waitForDecisions(path, 4)

  const cut = [call({ path, port: oldPort, key }), call({ path, port, bundlePem, key })]
  let isMovedRunning = true
  void call({ path, port, bundlePem, svid }).then(() => (isMovedRunning = false))
  const upgrade = request({
    host: '127.0.0.1',
    port: oldPort,
    path,
    headers: { connection: 'upgrade', upgrade: 'echo' },
  })
  const received: readonly unknown[] = await once(upgrade.end(), 'upgrade')
  const socket = received[1]
  assert.ok(socket instanceof Duplex)
  await decided
  clock.pass(remaining)

  assert.deepEqual(await Promise.all(cut), [closed, closed])
  if (!socket.closed) await once(socket.resume(), 'close')
  assert.equal((await call({ port, bundlePem, svid })).status, '200')
  assert.ok(isMovedRunning)
})

/** Adds a route whose answer does not end, and upgrades. */
function addEndless(code = ''): string {
  const route = "app.get('/invoices/all', (_request, response) => void response.write('['))"
  const head = "'HTTP/1.1 101 Switching Protocols\\r\\nConnection: upgrade\\r\\nUpgrade: echo\\r\\n\\r\\n'"
  assert.ok(code.includes("\napp.get('/invoices'"))
  return `${code.replace("\napp.get('/invoices'", `\n${route}\napp.get('/invoices'`)}
server.on('upgrade', (_request, socket) => socket.write(${head}))
`
}

/** Waits until this many requests of a path were decided. */
function waitForDecisions(path: string, number: number): Promise<void> {
  return new Promise((resolve) => {
    let missing = number
    const note = (event: unknown): void => {
      if (Reflect.get(Object(event), 'path') !== path) return
      missing -= 1
      if (missing > 0) return
      unsubscribe(channels.decision, note)
      resolve()
    }
    subscribe(channels.decision, note)
  })
}
