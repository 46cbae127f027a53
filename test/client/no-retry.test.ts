import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import { test, type TestContext } from 'node:test'
import { text } from 'node:stream/consumers'
import { createDispatcher, createFetch } from '@countersign/client'
import { createAuthority } from '@countersign/testkit'
import { request } from 'undici'
import { senders } from './callers.ts'
import { expectCallError } from './expect-call-error.ts'
import { greet, LoopbackServer } from './loopback-server.ts'
import { until } from './until.ts'

const billing = 'spiffe://saas.example/ns/production/sa/billing'
const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'
const servers = [billing]

const saas = await createAuthority('saas.example')
const source = await saas.source(coreApi)

for (const [routing, sender] of senders) {
  for (const method of ['GET', 'POST'] as const) {
    test(`${routing}: sends a ${method} once if its connection breaks, on new and kept connections`, async (context) => {
      const send = sender(context, source, servers)
      const server = await LoopbackServer.start(context, await saas.issue(billing), (incoming, response) => {
        if (incoming.url === '/') greet(incoming, response)
        else incoming.socket.destroy()
      })
      const body = method === 'POST' ? { body: 'an invoice' } : {}
      await assert.rejects(send(`${server.url}/broken`, { method, ...body }))
      await text(await send(server.url))
      await assert.rejects(send(`${server.url}/broken`, { method, ...body }))
      assert.deepEqual(
        server.requests.map(({ url }) => url),
        ['/broken', '/', '/broken'],
      )
    })
  }

  test(`${routing}: resumes no session`, async (context) => {
    const send = sender(context, source, servers)
    let resumed = 0
    const closing: RequestListener = (_incoming, response) => {
      response.writeHead(200, { connection: 'close' }).end()
    }
    const server = await LoopbackServer.start(context, await saas.issue(billing), closing)
    server.onHandshake((socket) => (resumed += socket.isSessionReused() ? 1 : 0))
    for (let count = 0; count < 5; count += 1) await text(await send(server.url))
    assert.deepEqual([server.handshakes, resumed], [5, 0])
  })

  test(`${routing}: verifies each new connection`, async (context) => {
    const send = sender(context, source, servers)
    const server = await LoopbackServer.start(context, await saas.issue(billing), (_incoming, response) => {
      response.writeHead(200, { connection: 'close' }).end()
    })
    await text(await send(server.url))
    server.show(await saas.issue(coreApi))
    await expectCallError(send(server.url), { code: 'server_unexpected' })
    server.show(await saas.issue(billing))
    await text(await send(server.url))
    assert.equal(server.requests.length, 2)
  })
}

test('uses HTTP/2 if it is allowed and offered, and HTTP/1.1 otherwise', async (context) => {
  const { url } = await startHttp2(context, (_incoming, response) => response.end('done'))
  const [with2, without2] = [true, false].map((allowH2) => createFetch(source, { servers, allowH2 }))
  assert.ok(with2 !== undefined && without2 !== undefined)
  context.after(() => Promise.all([with2.close(), without2.close()]))
  for (const fetch of [with2, without2]) {
    const answers = await Promise.all(Array.from({ length: 5 }, async () => (await fetch(url)).text()))
    assert.deepEqual(
      answers,
      Array.from({ length: 5 }, () => 'done'),
    )
  }
})

test('HTTP/2: after GOAWAY, sends neither running nor waiting requests again', async (context) => {
  const paths: string[] = []
  const { url } = await startHttp2(context, (incoming, response) => {
    paths.push(incoming.url)
    // Accepts nothing after the running stream.
    if (incoming.url === '/goodbye') incoming.stream.session?.goaway(0, 0)
    if (incoming.url === '/broken') incoming.stream.session?.destroy()
    else setTimeout(() => response.end('done'), 20)
  })
  const dispatcher = createDispatcher(source, { servers, allowH2: true })
  context.after(() => dispatcher.destroy())
  const all = ['/1', '/goodbye', '/2', '/broken', '/3']
  const calls = all.map(async (path) => {
    const { body } = await request(`${url}${path}`, { dispatcher, method: 'POST', body: 'an invoice' })
    return body.text()
  })
  await Promise.allSettled(calls)
  assert.deepEqual(paths.toSorted(), all.toSorted())
})

test("HTTP/2: does not treat a body as complete if the server's certificate expires", async (context) => {
  const { url } = await startHttp2(context, (_incoming, response) => response.write('a beginning'), 2)
  const fetch = createFetch(source, { servers, allowH2: true })
  context.after(() => fetch.close())
  const dispatcher = createDispatcher(source, { servers, allowH2: true })
  context.after(() => dispatcher.destroy())
  await Promise.all([
    assert.rejects(fetch(url).then((response) => response.text())),
    assert.rejects(request(url, { dispatcher }).then(({ body }) => body.text())),
  ])
})

test('HTTP/2: the next request presents the new SVID, and the old connection closes', async (context) => {
  const { url, sessions } = await startHttp2(context, (incoming, response) => response.end(incoming.url))
  const rotating = await saas.source(coreApi)
  const fetch = createFetch(rotating, { servers, allowH2: true })
  context.after(() => fetch.close())
  assert.equal(await (await fetch(`${url}/1`)).text(), '/1')
  const [first] = sessions
  rotating.replace({ svid: await saas.issue(coreApi) })
  await until(() => first?.destroyed === true)
  assert.equal(await (await fetch(`${url}/2`)).text(), '/2')
})

async function startHttp2(
  context: TestContext,
  answer: (incoming: Http2ServerRequest, response: Http2ServerResponse) => void,
  ttlSeconds = 3600,
): Promise<{ readonly url: string; readonly sessions: ReadonlySet<{ readonly destroyed: boolean }> }> {
  const svid = await saas.issue(billing, { ttlSeconds })
  const options = { key: svid.keyPem, cert: svid.certificatePem, allowHTTP1: true, requestCert: true }
  const server = createSecureServer({ ...options, rejectUnauthorized: false }, answer)
  const sessions = new Set<{ readonly destroyed: boolean; destroy(): void }>()
  server.on('session', (session) => sessions.add(session.on('error', () => undefined)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  const address = server.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  return { url: `https://127.0.0.1:${port}`, sessions }
}
