import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, get } from 'node:https'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { createAgent } from '@countersign/client'
import { createAuthority } from '@countersign/testkit'
import { scale } from '../support/long.ts'
import { senders } from './callers.ts'
import { LoopbackServer } from './loopback-server.ts'
import { until } from './until.ts'

const billing = 'spiffe://saas.example/ns/production/sa/billing'
const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'
const servers = [billing]

const rotations = scale(8, 50)
const requests = 40 * rotations

const saas = await createAuthority('saas.example')
const svids = await Promise.all(Array.from({ length: rotations + 1 }, () => saas.issue(coreApi)))

for (const [routing, sender] of senders) {
  test(`${routing}: keeps only the last connection after ${requests} requests and ${rotations} rotations, without warnings`, async (context) => {
    const warnings = collectWarnings(context)
    const source = await saas.source(coreApi)
    const send = sender(context, source, servers)
    const server = await LoopbackServer.start(context, await saas.issue(billing))
    for (let count = 0; count < requests; count += 1) {
      if (count % 40 === 0) source.replace({ svid: svids[count / 40] ?? source.svid })
      await text(await send(server.url))
    }
    source.replace({ svid: svids[rotations] ?? source.svid })
    await until(() => server.connections === 0)
    assert.equal(server.requests.length, requests)
    assert.deepEqual(warnings, [])
  })
}

test('a kept connection does not accumulate listeners', async (context) => {
  const agent = createAgent(await saas.source(coreApi), { servers })
  context.after(() => agent.destroy())
  const svid = await saas.issue(billing)
  const server = createServer({ key: svid.keyPem, cert: svid.certificatePem }, (_request, response) => response.end())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => server.close())
  const address = server.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  const counts: unknown[] = []
  for (let count = 0; count < 20; count += 1) {
    await new Promise<void>((resolve, reject) => {
      get(`https://127.0.0.1:${port}`, { agent }, (response) => response.resume().once('close', resolve)).on(
        'error',
        reject,
      )
    })
    await until(() => Object.keys(agent.freeSockets).length === 1)
    const [socket] = Object.values(agent.freeSockets).flat()
    counts.push(socket?.eventNames().map((name) => socket.listenerCount(name)))
  }
  assert.deepEqual(counts[19], counts[1])
})

function collectWarnings(context: TestContext): readonly string[] {
  const warnings: string[] = []
  const listener = (warning: Error): void => void warnings.push(warning.name)
  process.on('warning', listener)
  context.after(() => process.off('warning', listener))
  return warnings
}
