import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:https'
import type { Duplex } from 'node:stream'
import { test } from 'node:test'
import { connect } from 'node:tls'
import { forAdapter, isDenial } from '@countersign/core/adapter'
import { countersign } from '@countersign/fastify'
import { createAuthority, serve } from '@countersign/testkit'
import Fastify from 'fastify'
import { attacker, authority, create, idOf, listen, reasonsOf } from './guarded-by-rules.ts'

test("the decision of the server does not outlive the caller's authority while an earlier hook waits", async () => {
  const other = await createAuthority('saas.example')
  const own = await authority.source(idOf('billing'))
  const { guard, events } = create({ source: own, onExpiry: 'refuse' })
  const app = Fastify({ https: guard.tlsOptions() })
  const handled: string[] = []
  app.addHook('onRequest', async () => {
    // The caller's authority was removed; our own certificate is issued by the new one.
    own.replace({ svid: await other.issue(idOf('billing')), bundles: { 'saas.example': other } })
  })
  await app.register(countersign, { guard })
  app.get('/x', ({ url }) => String(handled.push(url)))
  await using running = await serve(guard, app)
  await assert.rejects(running.as(attacker).fetch('/x'))
  assert.deepEqual(handled, [])
  assert.ok(events.some(({ type }) => type === 'denial'))
})

test("the decision of the server does not outlive the caller's authority if an earlier hook replaces the material without waiting", async () => {
  const other = await createAuthority('saas.example')
  const own = await authority.source(idOf('billing'))
  const { guard } = create({ source: own, onExpiry: 'refuse' })
  const app = Fastify({ https: guard.tlsOptions() })
  const handled: string[] = []
  const replacement = { svid: await other.issue(idOf('billing')), bundles: { 'saas.example': other } }
  app.addHook('onRequest', (_request, _reply, done) => {
    own.replace(replacement)
    done()
  })
  await app.register(countersign, { guard })
  app.get('/x', ({ url }) => String(handled.push(url)))
  await using running = await serve(guard, app)
  await assert.rejects(running.as(attacker).fetch('/x'))
  assert.deepEqual(handled, [])
})

test("the decision of the server does not outlive the caller's authority if `authorities` replaces the material", async () => {
  const other = await createAuthority('saas.example')
  const own = await authority.source(idOf('billing'))
  const replacement = { svid: await other.issue(idOf('billing')), bundles: { 'saas.example': other } }
  const authorities = (): readonly string[] => {
    own.replace(replacement)
    return []
  }
  const { guard } = create({ source: own, onExpiry: 'refuse', authorities })
  const app = Fastify({ https: guard.tlsOptions() })
  const handled: string[] = []
  await app.register(countersign, { guard })
  app.get('/x', ({ url }) => String(handled.push(url)))
  await using running = await serve(guard, app)
  await assert.rejects(running.as(attacker).fetch('/x'))
  assert.deepEqual(handled, [])
})

test("the decision of the server does not outlive the caller's certificate while a listener of an upgrade waits", async (context) => {
  const { guard } = create({ onExpiry: 'refuse' })
  const short = await authority.issue(idOf('mailer'), { ttlSeconds: 600 })
  const verdicts: (string | undefined)[] = []
  const judge = (request: IncomingMessage): void => {
    const verdict = forAdapter(guard).readmit(request, request)
    assert.ok(!(verdict instanceof Promise))
    verdicts.push(verdict === undefined || verdict === null || isDenial(verdict) ? undefined : verdict?.name)
  }
  const server = createServer({ ...guard.tlsOptions() })
  forAdapter(guard).attach(server, { routing: () => ({}), routesUpgrade: () => true })
  const port = await listen(context, server)
  const waited = new Promise<void>((resolve) => {
    server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
      judge(request)
      setImmediate(() => {
        const later = Date.now() + 601_000
        context.mock.method(Date, 'now', () => later)
        judge(request)
        socket.destroy()
        resolve()
      })
    })
  })
  const { keyPem: key, certificatePem: cert } = short
  const socket = connect({ port, host: '127.0.0.1', key, cert, rejectUnauthorized: false })
  context.after(() => socket.destroy())
  socket.on('error', () => undefined)
  socket.write('GET /x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
  await waited
  assert.deepEqual(verdicts, [idOf('mailer'), undefined])
})

for (const [what, pause] of [
  ['blocks the process', undefined],
  ['waits', () => new Promise((resolve) => setImmediate(resolve))],
] as const) {
  test(`the decision of the server does not outlive the caller's certificate while an earlier hook ${what}`, async (context) => {
    const { guard, events } = create({ onExpiry: 'refuse' })
    const app = Fastify({ https: guard.tlsOptions() })
    const handled: string[] = []
    const short = await authority.issue(idOf('mailer'), { ttlSeconds: 600 })
    const passTime = (): void => {
      const later = Date.now() + 601_000
      context.mock.method(Date, 'now', () => later)
    }
    app.addHook('onRequest', (_request, _reply, done) => {
      const goOn = (): void => {
        passTime()
        done()
      }
      if (pause === undefined) goOn()
      else void pause().then(goOn)
    })
    await app.register(countersign, { guard })
    app.get('/x', ({ url }) => String(handled.push(url)))
    await using running = await serve(guard, app)
    assert.equal((await running.as(short).fetch('/x')).status, 403)
    assert.deepEqual(handled, [])
    assert.deepEqual(reasonsOf(events), ['identity_expired'])
  })
}
