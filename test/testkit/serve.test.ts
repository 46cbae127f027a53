import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import { after, before, describe, test } from 'node:test'
import { TLSSocket } from 'node:tls'
import {
  type Authority,
  createAuthority,
  type Running,
  serve,
  type SvidFault,
  type TestSvid,
} from '@countersign/testkit'
import Fastify from 'fastify'

const billing = 'spiffe://saas.example/ns/production/sa/billing'
const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'

/** Faults that a TLS stack exposes unchanged. Bytes after a certificate never leave the sender. */
const faultsOnTheWire = {
  two_uri_sans: true,
  no_path: true,
  nul_in_uri: true,
  ca_leaf: true,
  server_auth_only: true,
  wrong_extended_key_usage: true,
  expired: true,
  not_yet_valid: true,
  unknown_critical_extension: true,
  sha1_signature: true,
  weak_key: true,
  bad_signature: true,
  self_signed: true,
} satisfies Partial<Record<SvidFault, true>>

describe('a request listener under serve', () => {
  let authority: Authority
  let caller: TestSvid
  let running: Running

  before(async () => {
    authority = await createAuthority('saas.example')
    caller = await authority.issue(coreApi)
    running = await serve(openGuard(await authority.issue(billing)), describeRequest)
  })
  after(() => running.close())

  test("sees the peer's certificate, whatever is wrong with it", async () => {
    for (const fault of Object.keys(faultsOnTheWire).filter((name): name is SvidFault => name in faultsOnTheWire)) {
      const svid = await authority.issue(coreApi, { faults: [fault] })
      const response = await running.as(svid).fetch('/')
      assert.equal(response.headers.get('x-serial'), svid.serialNumber, fault)
    }
  })

  test('sees no certificate of a peer without an SVID', async () => {
    const response = await running.as(null).fetch('/')
    assert.equal(response.headers.get('x-serial'), '')
  })

  test('receives target, method, headers and body unchanged', async () => {
    const peer = running.as(caller)
    for (const target of ['/a/../b//c/./%2e%2E/d;x?y=/../z', '*', 'http://other.example/x', '//x']) {
      const response = await peer.fetch(target, { method: 'OPTIONS' })
      assert.equal(response.headers.get('x-target'), target)
    }
    const response = await peer.fetch(`${running.url}/echo?x=1`, {
      method: 'POST',
      body: 'hello',
      headers: { host: 'saas.example', 'x-forwarded-client-cert': ['a', 'b'] },
    })
    assert.equal(response.status, 200)
    assert.deepEqual(await response.json(), {
      method: 'POST',
      url: '/echo?x=1',
      host: 'saas.example',
      forwarded: 'a, b',
      body: 'hello',
    })
  })

  test('receives all requests of one peer on one connection and those of another on another', async () => {
    const [first, second] = [running.as(caller), running.as(caller)]
    const ports = new Set<string | null>()
    for (let count = 0; count < 3; count += 1) ports.add((await first.fetch('/')).headers.get('x-port'))
    assert.equal(ports.size, 1)
    ports.add((await second.fetch('/')).headers.get('x-port'))
    assert.equal(ports.size, 2)
  })

  test('speaks the version of TLS that the peer requests', async () => {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const response = await running.as(caller, { minVersion: version, maxVersion: version }).fetch('/')
      assert.equal(response.headers.get('x-tls'), version)
    }
  })

  test('can respond with statuses that have no body', async () => {
    for (const status of [204, 304]) {
      const response = await running.as(caller).fetch(`/status/${status}`)
      assert.equal(response.status, status)
      assert.equal(await response.text(), '')
    }
  })

  test('rejects the fetch if it closes the connection before or during a response', async () => {
    const peer = running.as(caller)
    await assert.rejects(peer.fetch('/destroy'), { code: 'ECONNRESET' })
    await assert.rejects(peer.fetch('/truncate'), { code: 'ECONNRESET' })
    assert.equal((await peer.fetch('/')).status, 200)
  })

  test('accepts raw bytes over another connection of the peer', async () => {
    const peer = running.as(caller)
    const socket = await peer.connect()
    socket.write('GET /raw HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n')
    const received: unknown[] = await once(socket, 'data')
    assert.match(String(received[0]), /^HTTP\/1\.1 200 .*"host":"a"/s)
    peer.close()
    assert.equal(socket.destroyed, true)
  })

  test('closes every connection when it is closed', async () => {
    const closing = await serve(openGuard(caller), describeRequest)
    const peer = closing.as(caller)
    await peer.fetch('/')
    const socket = await peer.connect()
    const ended = once(socket, 'close')
    await closing.close()
    await ended
    await assert.rejects(peer.fetch('/'), { code: 'ECONNREFUSED' })
  })
})

test('does not serve a Fastify instance without TLS', async () => {
  const svid = await (await createAuthority('saas.example')).issue(billing)
  const app = Fastify()
  await assert.rejects(serve(openGuard(svid), app), { code: 'server_unsuitable' })
  assert.equal(app.server.listening, false)
})

test('serves a Fastify instance', async () => {
  const authority = await createAuthority('saas.example')
  const guard = openGuard(await authority.issue(billing))
  const caller = await authority.issue(coreApi)
  for (const http2 of [false, true]) {
    const app = http2
      ? Fastify({ http2: true, https: guard.tlsOptions() }).get('/', (request) => request.raw.httpVersion)
      : Fastify({ https: guard.tlsOptions() }).get('/', (request) => request.raw.httpVersion)
    await using running = await serve(guard, app)
    assert.equal(await (await running.as(caller, { http2 }).fetch('/')).text(), http2 ? '2.0' : '1.1')
  }
})

describe('a peer that speaks HTTP/2', () => {
  test('sends streams on one session, and reports why it was closed', async () => {
    const authority = await createAuthority('saas.example')
    const svid = await authority.issue(coreApi)
    const server = createSecureServer(openGuard(svid).tlsOptions(), describeHttp2Request)
    const app = {
      server,
      listen: async ({ host, port }: { host: string; port: number }) => {
        server.listen(port, host)
        await once(server, 'listening')
      },
      close: async () => {
        server.close()
        await once(server, 'close')
      },
    }
    await using running = await serve(openGuard(svid), app)
    const peer = running.as(svid, { http2: true })
    const response = await peer.fetch('/a/../b', { method: 'POST', body: 'hello', headers: { 'x-two': ['a', 'b'] } })
    assert.equal(response.status, 200)
    assert.deepEqual(await response.json(), { method: 'POST', url: '/a/../b', two: 'a, b', body: 'hello' })
    assert.equal(response.headers.get('x-serial'), svid.serialNumber)
    await assert.rejects(peer.fetch('/destroy'))
    assert.equal((await peer.fetch('/status')).status, 200)
    await assert.rejects(running.as(null, { http2: true, maxVersion: 'TLSv1.1', minVersion: 'TLSv1.1' }).fetch('/'), {
      code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
    })
  })
})

/** TLS options that accept every certificate, so that a test can inspect it. */
function openGuard(svid: TestSvid): Parameters<typeof serve>[0] {
  return {
    tlsOptions: () => ({
      key: svid.keyPem,
      cert: svid.certificatePem,
      requestCert: true,
      rejectUnauthorized: false,
      ciphers: 'DEFAULT@SECLEVEL=0',
    }),
    attach: () => undefined,
  }
}

function describeRequest(request: IncomingMessage, response: ServerResponse): void {
  const { socket, method, url = '', headers } = request
  assert.ok(socket instanceof TLSSocket)
  response.setHeader('x-serial', serialOf(socket))
  response.setHeader('x-tls', socket.getProtocol() ?? '')
  response.setHeader('x-port', String(socket.remotePort))
  response.setHeader('x-target', url)
  if (url === '/destroy') {
    socket.destroy()
    return
  }
  if (url === '/truncate') {
    response.setHeader('content-length', 100)
    response.write('half', () => socket.destroy())
    return
  }
  response.statusCode = Number(/^\/status\/(\d+)$/.exec(url)?.[1] ?? 200)
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const forwarded = headers['x-forwarded-client-cert']
    response.end(JSON.stringify({ method, url, host: headers.host, forwarded, body: Buffer.concat(chunks).toString() }))
  })
}

function describeHttp2Request(request: Http2ServerRequest, response: Http2ServerResponse): void {
  const { method, url, headers, stream } = request
  const socket = stream.session?.socket
  assert.ok(socket instanceof TLSSocket)
  if (url === '/destroy') {
    stream.session?.destroy()
    return
  }
  response.setHeader('x-serial', serialOf(socket))
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    response.end(JSON.stringify({ method, url, two: headers['x-two'], body: Buffer.concat(chunks).toString() }))
  })
}

function serialOf(socket: TLSSocket): string {
  return socket.getPeerX509Certificate()?.serialNumber.toLowerCase() ?? ''
}
