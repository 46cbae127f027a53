import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:https'
import { describe, test } from 'node:test'
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

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

describe('a connection that sends nothing', () => {
  test('is closed in time, and a thousand of them do not delay other connections', async (t) => {
    const { port } = await startListener(t, createEcho(), { firstByteTimeout: 2000 })
    const silent = await Promise.all(Array.from({ length: 1000 }, () => connectTo(t, port)))
    const closed = Promise.all(silent.map((socket) => readAll(socket)))

    for (const scheme of ['https', 'http'] as const) {
      assert.equal((await send(scheme, port, { body: 'served' })).body.toString(), 'served')
    }
    for (const received of await closed) assert.equal(received.length, 0)
  })

  test('is closed without being registered as plaintext', async (t) => {
    const { port, plaintext } = await startListener(t, createEcho(), { firstByteTimeout: 100 })
    const socket = await connectTo(t, port)

    assert.equal((await readAll(socket)).length, 0)
    assert.equal(plaintext.length, 0)
  })

  test('may close or be reset before it sends anything', async (t) => {
    const { listener, port } = await startListener(t, createEcho())
    for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const) {
      const socket = await connectTo(t, port)
      socket[leave]()
      await readAll(socket)
    }

    assert.equal((await send('https', port)).status, 200)
    await settle(() => count(listener), 0)
  })

  test('is served if it sends its first byte in time, however slow the rest is', async (t) => {
    const { port } = await startListener(t, createEcho(), { firstByteTimeout: 2000 })
    const socket = await connectTo(t, port)
    socket.write(get.slice(0, 1))
    await new Promise((resolve) => setTimeout(resolve, 2500))
    socket.write(`${get.slice(1, -2)}Connection: close\r\n\r\n`)

    assert.match((await readAll(socket)).toString(), /^HTTP\/1\.1 200/)
  })
})

describe('the timeouts of the TLS server', () => {
  test('also apply to plaintext, although it does not listen', async (t) => {
    const { port } = await startListener(t, createEcho({ headersTimeout: 500, requestTimeout: 600 }))
    const [headers, body] = [await connectTo(t, port), await connectTo(t, port)]
    headers.write(get.slice(0, 10))
    body.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc')

    assert.match((await readAll(headers)).toString(), /^HTTP\/1\.1 408/)
    assert.match((await readAll(body)).toString(), /408 Request Timeout|^HTTP\/1\.1 200/)
  })

  test('are enforced for TLS, although it does not listen', async (t) => {
    const { port } = await startListener(
      t,
      createEcho({ headersTimeout: 500, requestTimeout: 600, connectionsCheckingInterval: 200 }),
    )
    const client = connectTls({ port, host: '127.0.0.1', ...trusting })
    t.after(() => client.destroy())
    await once(client, 'secureConnect')
    client.write(get.slice(0, 10))

    assert.match((await readAll(client)).toString(), /^HTTP\/1\.1 408/)
  })

  test('include the one for a handshake', async (t) => {
    const tlsServer = createEcho({ handshakeTimeout: 500 })
    const failed = new Promise<Error>((resolve) => tlsServer.once('tlsClientError', resolve))
    const { port } = await startListener(t, tlsServer)
    const socket = await connectTo(t, port)
    socket.write(Buffer.from([0x16]))

    await readAll(socket)
    assert.equal(Reflect.get(await failed, 'code'), 'ERR_TLS_HANDSHAKE_TIMEOUT')
  })

  test('are read when a connection arrives', async (t) => {
    const { port, tlsServer } = await startListener(t, createEcho())
    Reflect.set(tlsServer, 'keepAliveTimeout', 1)
    Reflect.set(tlsServer, 'keepAliveTimeoutBuffer', 0)
    const socket = await connectTo(t, port)
    socket.write(get)

    assert.match((await readAll(socket)).toString(), /^HTTP\/1\.1 200/)
  })

  test('include the size of headers and the requests of a connection', async (t) => {
    const tlsServer = createEcho({ maxHeaderSize: 2048 })
    Reflect.set(tlsServer, 'maxRequestsPerSocket', 1)
    const { port } = await startListener(t, tlsServer)

    assert.equal((await send('http', port, { headers: { long: 'x'.repeat(4096) } })).status, 431)
    const socket = await connectTo(t, port)
    socket.write(get + get)
    assert.match((await readAll(socket)).toString(), /connection: close/i)
  })

  test('leave the defaults of Node in front of a server without them', async (t) => {
    const { listener } = await startListener(t, createHttp2Echo())

    assert.ok(listener.headersTimeout > 0 && listener.requestTimeout > 0 && listener.keepAliveTimeout > 0)
  })
})

describe('plaintext', () => {
  test('is registered before any HTTP is read', async (t) => {
    const order: string[] = []
    const tlsServer = createServer(identity, (_request, response) => {
      order.push('request')
      response.end()
    })
    const { port } = await startListener(t, tlsServer, {
      onPlaintext: ({ bytesRead, remoteAddress }) => order.push(`${bytesRead > 0} ${remoteAddress}`),
    })
    await send('http', port)

    assert.deepEqual(order, ['true 127.0.0.1', 'request'])
  })

  for (const [what, refuse] of Object.entries({
    'the deadline has passed': { isOpen: () => false },
    'the deadline cannot be read': { isOpen: () => assert.fail('no deadline') },
    'it cannot be registered': { onPlaintext: () => assert.fail('no registry') },
  })) {
    test(`is closed without an answer if ${what}, and TLS is served`, async (t) => {
      let requests = 0
      const tlsServer = createServer(identity, (_request, response) => {
        requests += 1
        response.end()
      })
      const { port, plaintext } = await startListener(t, tlsServer, refuse)
      const socket = await connectTo(t, port)
      socket.write(get)

      assert.equal((await readAll(socket)).length, 0)
      assert.equal((await send('https', port)).status, 200)
      assert.equal(requests, 1)
      assert.equal(plaintext.length, 0)
    })
  }

  test('is closed at the deadline: idle, upgraded and with a request in progress', async (t) => {
    let isOpen = true
    const tlsServer = createServer(identity, (request, response) => {
      response.writeHead(200).write('begun')
      if (request.url === '/') response.end()
    })
    tlsServer.on('upgrade', (_request, socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n'))
    const { port } = await startListener(t, tlsServer, { isOpen: () => isOpen })
    Reflect.set(tlsServer, 'keepAliveTimeout', 0)
    const requests = [
      get,
      get.replace('/', '/stream'),
      get.replace('\r\n\r\n', '\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n'),
    ]
    const sockets = await Promise.all(
      requests.map(async (text) => {
        const socket = await connectTo(t, port)
        socket.write(text)
        await once(socket, 'data')
        return socket
      }),
    )
    assert.ok(sockets.every((socket) => !socket.closed))
    isOpen = false

    await Promise.all(sockets.map((socket) => readAll(socket)))
  })

  for (const [what, isOpenAfter] of Object.entries({
    'the deadline': (): boolean => false,
    'the deadline cannot be read': (): boolean => assert.fail('no deadline'),
  })) {
    test(`serves no further request of an open connection after ${what}`, async (t) => {
      let isOpen = (): boolean => true
      let requests = 0
      const tlsServer = createServer(identity, (_request, response) => {
        requests += 1
        response.end()
        isOpen = isOpenAfter
      })
      const { port } = await startListener(t, tlsServer, { isOpen: () => isOpen() })
      const socket = await connectTo(t, port)
      socket.write(get + get)
      await readAll(socket)

      assert.equal(requests, 1)
    })
  }
})

function count(server: {
  getConnections(done: (error: Error | null, count: number) => void): unknown
}): Promise<number> {
  return new Promise((resolve) => void server.getConnections((_error, connections) => resolve(connections)))
}

async function settle(read: () => Promise<number>, expected: number): Promise<void> {
  while ((await read()) !== expected) await new Promise(setImmediate)
}
