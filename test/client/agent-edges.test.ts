import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { get } from 'node:https'
import { createAgent } from '@countersign/client'
import { createAuthority } from '@countersign/testkit'
import { withLife } from '../support/with-life.ts'
import { senders } from './callers.ts'
import { expectCallError } from './expect-call-error.ts'
import { LoopbackServer } from './loopback-server.ts'
import { portOf } from './tls-pair.ts'
import { until } from './until.ts'

const billing = 'spiffe://saas.example/ns/production/sa/billing'
const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'
const anyId = 'spiffe://web.example/server'

const saas = await createAuthority('saas.example')

test('agent: failed connections do not count towards maxTotalSockets', async (context) => {
  const agent = createAgent(await saas.source(coreApi), { servers: [billing], maxTotalSockets: 2 })
  context.after(() => agent.destroy())
  const call = (url: string): Promise<string> =>
    new Promise((resolve, reject) => {
      get(url, { agent }, (response) => resolve(text(response))).on('error', reject)
    })
  const dead = await listenAndBreakOff(context)
  for (let count = 0; count < 3; count += 1) await expectCallError(call(dead), { code: 'server_unreachable' })
  const server = await LoopbackServer.start(context, await saas.issue(billing))
  assert.notEqual(await call(server.url), '')
})

for (const [routing, sender] of senders) {
  test(`${routing}: a certificate nested in a host's certificate does not extend its lifetime`, (context) =>
    withLife(2, async (life) => {
      const web = await createAuthority('web.example', { spiffeId: false })
      const lasting = await web.issue(anyId, { ttlSeconds: 3600 })
      // Node's certificate parser first searches for PEM, at any position.
      const short = await web.issue(anyId, {
        dnsNames: ['localhost'],
        ttlSeconds: life.seconds,
        extensions: [{ oid: '1.3.6.1.4.1.99999.1', value: Buffer.from(`\n${lasting.certificatePem}\n`) }],
      })
      const send = sender(context, await saas.source(coreApi), { dns: true, ca: web.bundlePem })
      const server = await LoopbackServer.start(context, short, (_request, response) => {
        response.write('a beginning')
        setTimeout(() => response.end(), short.expiresAt + 2000 - Date.now())
      })
      const answer = send(`https://localhost:${server.port}`).then(text)
      const failing = expectCallError(answer, { code: 'server_untrusted', reason: 'identity_expired' })
      failing.catch(() => undefined)
      await until(() => server.requests.length === 1 || life.isLate())
      life.begun()
      await failing
    }))
}

async function listenAndBreakOff(context: TestContext): Promise<string> {
  const server = createServer((socket) => socket.destroy())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => void server.close())
  return `https://127.0.0.1:${portOf(server)}`
}
