import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { authenticated, createGuard, createReplaceableSource, SourceError } from '@countersign/core'
import countersign from '@countersign/fastify'
import { createAuthority } from '@countersign/testkit'
import Fastify from 'fastify'

const authority = await createAuthority('saas.example')
const { current } = await authority.source('spiffe://saas.example/ns/production/sa/billing')

test("logs source events to Fastify's log at a level that matches their urgency", async () => {
  const source = createReplaceableSource(current)
  const stream = new PassThrough({ encoding: 'utf8' })
  const guard = createGuard({ source, rules: [{ path: '/**', allow: authenticated() }] })
  const app = Fastify({ https: guard.tlsOptions(), logger: { stream } })
  await app.register(countersign, { guard })
  await app.listen({ host: '127.0.0.1', port: 0 })
  source.notify({ outcome: 'warning', code: 'key_readable_by_all', detail: 'everybody reads it' })
  source.notify({ outcome: 'refused', code: 'file_missing', detail: 'a file is missing' })
  source.notify({ outcome: 'recovered', detail: 'the file is back' })
  source.withdraw(new SourceError('agent_denied', 'no entry'))
  source.replace(current)
  await source.close()
  await app.close()

  const told = String(stream.read())
    .split('\n')
    .map((line) => /^\{"level":(\d+).*"countersign":\{"type":"source".*"msg":"source ([a-z]+): /.exec(line))
    .flatMap((found) => (found === null ? [] : [found.slice(1)]))
  // Pino's levels: 30 is info, 40 warn, 50 error.
  assert.deepEqual(told, [
    ['40', 'warning'],
    ['50', 'refused'],
    ['30', 'recovered'],
    ['50', 'lost'],
    ['30', 'recovered'],
    ['30', 'lost'],
  ])
})

test('the message shows how many more peers were refused', async () => {
  const source = createReplaceableSource(current)
  const stream = new PassThrough({ encoding: 'utf8' })
  const guard = createGuard({ source, rules: [{ path: '/**', allow: authenticated() }] })
  const app = Fastify({ https: guard.tlsOptions(), logger: { stream } })
  await app.register(countersign, { guard })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const address = app.server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  for (let count = 0; count < 3; count += 1) {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined)
    socket.end('GET /')
    await once(socket.resume(), 'close')
  }
  await app.close()
  await source.close()
  const messages = String(stream.read()).match(/(?<="msg":")peer[^"]*/g)
  assert.deepEqual(messages, ['peer refused: handshake_failed', 'peer refused: handshake_failed, 2 more'])
})
