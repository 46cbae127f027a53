import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { Agent, createServer } from 'node:https'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { describe, test, type TestContext } from 'node:test'
import { connect as connectTls } from 'node:tls'
import {
  connectTo,
  createEcho,
  createHttp2Echo,
  identity,
  readAll,
  send,
  startListener,
  trusting,
} from './start-listener.ts'

describe('one port', () => {
  test('serves TLS and plaintext at the same time, with the address of the peer', async (t) => {
    const { port, plaintext } = await startListener(t, createEcho())

    const answers = await Promise.all(
      (['https', 'http', 'https', 'http'] as const).map((scheme) => send(scheme, port, { body: scheme })),
    )
    assert.deepEqual(
      answers.map(({ kind, body }) => `${String(kind)} ${body.toString()}`),
      [
        'TLS 1.1 127.0.0.1 https',
        'plaintext 1.1 127.0.0.1 http',
        'TLS 1.1 127.0.0.1 https',
        'plaintext 1.1 127.0.0.1 http',
      ],
    )
    assert.equal(plaintext.length, 2)
  })

  for (const [name, create] of Object.entries({ https: createEcho, http2: createHttp2Echo })) {
    test(`keeps a plaintext connection in front of an ${name} server alive`, async (t) => {
      const { port, plaintext } = await startListener(t, create())
      const socket = await connectTo(t, port)
      const received = readAll(socket)
      socket.write('GET /1 HTTP/1.1\r\nHost: a\r\n\r\n')
      await once(socket, 'data')
      socket.write('GET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')

      assert.equal((await received).toString().match(/HTTP\/1\.1 200 OK/g)?.length, 2)
      assert.equal(plaintext.length, 1)
    })
  }

  test('keeps a TLS connection alive', async (t) => {
    const tlsServer = createEcho()
    let handshakes = 0
    tlsServer.on('secureConnection', () => (handshakes += 1))
    const { port } = await startListener(t, tlsServer)
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ...trusting })
    t.after(() => agent.destroy())

    for (const body of ['one', 'two', 'three']) {
      assert.equal((await send('https', port, { agent, body })).body.toString(), body)
    }
    assert.equal(handshakes, 1)
  })

  test('serves HTTP/2 over TLS', async (t) => {
    const { port } = await startListener(t, createHttp2Echo())
    const session = connectHttp2(`https://127.0.0.1:${port}`, trusting)
    t.after(() => session.destroy())
    const streams = ['a', 'b'].map((body) => {
      const stream = session.request({ ':method': 'POST', ':path': '/' })
      stream.end(body)
      return stream
    })

    const bodies = await Promise.all(streams.map(async (stream) => Buffer.concat(await stream.toArray()).toString()))
    assert.deepEqual(bodies, ['a', 'b'])
  })

  for (const scheme of ['https', 'http'] as const) {
    test(`passes large bodies in both directions with ${scheme}`, async (t) => {
      const { port } = await startListener(t, createEcho())
      const body = randomBytes(8 * 1024 * 1024)

      const answer = await send(scheme, port, { body })
      assert.ok(answer.body.equals(body))
    })
  }

  test('accepts plaintext that arrives byte by byte', async (t) => {
    const { port } = await startListener(t, createEcho())
    const socket = await connectTo(t, port)
    const received = readAll(socket)
    for (const byte of Buffer.from('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc')) {
      socket.write(Buffer.from([byte]))
      await new Promise(setImmediate)
    }

    assert.match((await received).toString(), /^HTTP\/1\.1 200 OK.*abc/s)
  })

  test('accepts TLS that arrives byte by byte', async (t) => {
    const { port } = await startListener(t, createEcho())
    const socket = await connectTo(t, port)
    const slow = splitWrites(t, socket)
    const client = connectTls({ socket: slow, ...trusting })
    t.after(() => client.destroy())
    const received = readAll(client)
    client.end('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc')

    assert.match((await received).toString(), /^HTTP\/1\.1 200 OK.*abc/s)
  })

  test('passes an upgrade with the bytes that follow it', async (t) => {
    const tlsServer = createEcho()
    tlsServer.on('upgrade', (request, socket, head) => {
      socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n${request.url}:`)
      socket.write(head)
      socket.pipe(socket)
    })
    const { port } = await startListener(t, tlsServer)
    const socket = await connectTo(t, port)
    const received = readAll(socket)
    socket.write('GET /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly ')
    await once(socket, 'data')
    socket.end('late')

    assert.match((await received).toString(), /^HTTP\/1\.1 101 .*\/up:early late$/s)
  })

  test('serves a request for an upgrade that nothing accepts', async (t) => {
    const { port } = await startListener(t, createEcho())

    const headers = { connection: 'upgrade', upgrade: 'h2c' }
    assert.equal((await send('http', port, { headers, body: 'x' })).body.toString(), 'x')
  })

  test('answers expectations as Node does, unless there is a listener', async (t) => {
    const tlsServer = createEcho()
    const { port } = await startListener(t, tlsServer)

    assert.equal((await send('http', port, { headers: { expect: '100-continue' }, body: 'x' })).status, 200)
    assert.equal((await send('http', port, { headers: { expect: 'cookies' } })).status, 417)
    for (const event of ['checkContinue', 'checkExpectation']) {
      tlsServer.on(event, (_request, response: ServerResponse) => void response.writeHead(418).end(event))
    }
    assert.equal((await send('http', port, { headers: { expect: '100-continue' } })).body.toString(), 'checkContinue')
    assert.equal((await send('http', port, { headers: { expect: 'cookies' } })).body.toString(), 'checkExpectation')
  })

  test('passes CONNECT to its listener, and closes the connection without one', async (t) => {
    const tlsServer = createEcho()
    const { port } = await startListener(t, tlsServer)
    const connect = async (): Promise<string> => {
      const socket = await connectTo(t, port)
      socket.write('CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n')
      return (await readAll(socket)).toString()
    }

    assert.equal(await connect(), '')
    tlsServer.on('connect', (_request, socket) => socket.end('connected'))
    assert.equal(await connect(), 'connected')
  })
})

describe('a connection that is neither TLS nor HTTP', () => {
  for (const [what, bytes] of Object.entries({
    zeros: Buffer.alloc(64),
    'an SSL 2 hello': Buffer.from('802e0100020015', 'hex'),
    text: Buffer.from('EHLO mail.example\r\n'),
    'a bare line end': Buffer.from('\n\n\n\n'),
  })) {
    test(`is closed: ${what}`, async (t) => {
      let requests = 0
      const tlsServer = createServer(identity, (_request, response) => {
        requests += 1
        response.end()
      })
      const { port } = await startListener(t, tlsServer)
      const socket = await connectTo(t, port)
      socket.end(bytes)

      assert.match((await readAll(socket)).toString(), /^(?:HTTP\/1\.1 400 Bad Request\r\n.*)?$/s)
      assert.equal((await send('https', port)).status, 200)
      assert.equal(requests, 1)
    })
  }

  test('is closed if it begins like TLS', async (t) => {
    const tlsServer = createEcho()
    const failed = once(tlsServer, 'tlsClientError')
    const { port } = await startListener(t, tlsServer)
    const socket = await connectTo(t, port)
    socket.write(Buffer.from([0x16, ...Buffer.from('garbage that is not a record')]))

    await readAll(socket)
    await failed
  })

  for (const bytewise of [false, true]) {
    test(`gets an HTTP/2 answer for HTTP/2 without TLS${bytewise ? ', byte by byte' : ''}`, async (t) => {
      const { port } = await startListener(t, createHttp2Echo())
      const socket = await connectTo(t, port)
      const received = readAll(socket)
      const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
      for (const part of bytewise ? [...preface].map((byte) => Buffer.from([byte])) : [preface]) {
        socket.write(part)
        await new Promise(setImmediate)
      }
      socket.end(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]))

      const answer = await received
      assert.deepEqual([...answer.subarray(0, 9)], [0, 0, 0, 4, 0, 0, 0, 0, 0])
      assert.equal(answer[12], 7)
      assert.equal(answer.readUInt32BE(22), 0xd)
      assert.match(answer.subarray(26).toString(), /^HTTP\/2 requires TLS/)
    })
  }

  test('fails with HTTP_1_1_REQUIRED in a client that uses HTTP/2 without TLS', async (t) => {
    const { port } = await startListener(t, createHttp2Echo())
    const session = connectHttp2(`http://127.0.0.1:${port}`)
    session.on('error', () => undefined)
    t.after(() => session.destroy())

    const answered = new Promise<readonly [number, unknown]>((resolve) => {
      session.once('goaway', (code, _last, data) => resolve([code, data]))
    })

    const [code, reason] = await answered
    assert.equal(code, 0xd)
    assert.match(String(reason), /TLS/)
  })
})

// Sends each byte by itself.
function splitWrites(t: TestContext, socket: Socket): Duplex {
  const slow = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      void (async () => {
        for (const byte of chunk) {
          socket.write(Buffer.from([byte]))
          await new Promise(setImmediate)
        }
        done()
      })()
    },
    final: (done) => (socket.writableEnded ? done() : void socket.end(done)),
  })
  socket.on('data', (chunk) => slow.push(chunk)).on('end', () => slow.push(null))
  t.after(() => slow.destroy())
  return slow
}
