import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, get } from 'node:https'
import { test } from 'node:test'
import { connectTls, createAgent, createFetch } from '@countersign/client'
import { createAuthority } from '@countersign/testkit'
import { withLife } from '../support/with-life.ts'
import { expectCallError } from './expect-call-error.ts'
import { LoopbackServer } from './loopback-server.ts'
import { billing, connectTo, coreApi, saas, start } from './tls-pair.ts'

test('a TLS connection reports once that our certificate was replaced', async (context) => {
  const { port } = await start(context, await saas.source(billing), { callers: [coreApi] })
  const source = await saas.source(coreApi)
  let told = 0
  const socket = await connectTo(context, source, { port, onStale: () => (told += 1) })
  assert.equal(told, 0)
  source.replace({ svid: await saas.issue(coreApi) })
  source.replace({ svid: await saas.issue(coreApi) })
  assert.deepEqual([told, socket.destroyed], [1, false])
})

test("a TLS connection reports that the server's certificate is about to expire", (context) =>
  withLife(4, async (life) => {
    const { port } = await start(context, await saas.source(billing, { ttlSeconds: life.seconds }), {
      callers: [coreApi],
    })
    const states: boolean[] = []
    const socket = await connectTo(context, await saas.source(coreApi), {
      port,
      onStale: () => states.push(socket.destroyed),
    })
    life.begun()
    await new Promise((resolve) => socket.once('close', resolve))
    assert.deepEqual(states, [false])
  }))

test('a TLS connection reports nothing when the bundle changes', async (context) => {
  const { port } = await start(context, await saas.source(billing), { callers: [coreApi] })
  const source = await saas.source(coreApi)
  let told = 0
  await connectTo(context, source, { port, onStale: () => (told += 1) })
  source.replace({ bundles: { 'saas.example': [saas, await createAuthority('saas.example')] } })
  assert.equal(told, 0)
})

test('onStale must be a function', async () => {
  const options: object = { servers: [billing], host: '127.0.0.1', port: 1, onStale: 'now' }
  const source = await saas.source(coreApi)
  const refused = Promise.resolve(Reflect.apply(connectTls, undefined, [source, options]))
  await assert.rejects(refused, { code: 'option_invalid' })
})

test('a closed client opens no connections', async (context) => {
  const server = await LoopbackServer.start(context, await saas.issue(billing))
  const source = await saas.source(coreApi)
  const agent = createAgent(source, { servers: [billing] })
  agent.destroy()
  const errors: readonly unknown[] = await once(get(server.url, { agent }), 'error')
  assert.deepEqual(
    [Reflect.get(Object(errors[0]), 'code'), Reflect.get(Object(errors[0]), 'reason')],
    ['call_unsuitable', 'closed'],
  )
  const fetch = createFetch(source, { servers: [billing] })
  await fetch.close()
  await assert.rejects(fetch(server.url))
  assert.equal(server.requests.length, 0)
})

test('an agent created from the options of ours reaches no server', async (context) => {
  const server = await LoopbackServer.start(context, await saas.issue(billing, { dnsNames: ['localhost'] }))
  const agent = createAgent(await saas.source(coreApi), { servers: [billing] })
  const copy = new Agent({ ...agent.options, ca: saas.bundlePem })
  context.after(() => {
    agent.destroy()
    copy.destroy()
  })
  const answered = new Promise((resolve, reject) => {
    get(`https://localhost:${server.port}`, { agent: copy }, resolve).on('error', reject)
  })
  await expectCallError(answered, { code: 'call_unsuitable', reason: 'options_copied' })
  assert.equal(server.requests.length, 0)
})
