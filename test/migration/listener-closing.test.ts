import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { describe, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { connectTo, createEcho, createHttp2Echo, readAll, send, startListener, trusting } from './start-listener.ts'

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

describe('closing', () => {
  test('closes silent and idle connections, and those of TLS', async (t) => {
    const { listener, port } = await startListener(t, createEcho(), { firstByteTimeout: 120_000 })
    const silent = await connectTo(t, port)
    const idle = await connectTo(t, port)
    idle.write(get)
    await once(idle, 'data')
    const client = connectTls({ port, host: '127.0.0.1', ...trusting })
    t.after(() => client.destroy())
    client.write(get)
    await once(client, 'data')

    const closed = once(listener, 'close')
    listener.close()
    await Promise.all([closed, readAll(silent), readAll(idle), readAll(client)])
  })

  test('closes idle HTTP/2 sessions', async (t) => {
    const { listener, port } = await startListener(t, createHttp2Echo())
    const session = connectHttp2(`https://127.0.0.1:${port}`, trusting)
    t.after(() => session.destroy())
    await session.request().resume().toArray()

    const closed = once(session, 'close')
    listener.close()
    await Promise.all([closed, once(listener, 'close')])
  })

  test('lets requests in progress complete', async (t) => {
    const { listener, port } = await startListener(t, createEcho())
    const socket = await connectTo(t, port)
    const received = readAll(socket)
    socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na')
    await once(socket, 'data')
    const closed = once(listener, 'close')
    listener.close()
    socket.write('b')

    assert.match((await received).toString(), /ab$/)
    await closed
  })

  test('closes all connections at once', async (t) => {
    const { listener, port } = await startListener(t, createHttp2Echo())
    const silent = await connectTo(t, port)
    const busy = await connectTo(t, port)
    busy.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na')
    await once(busy, 'data')
    const session = connectHttp2(`https://127.0.0.1:${port}`, trusting)
    session.on('error', () => undefined)
    const stream = session.request({ ':method': 'POST' })
    stream.on('error', () => undefined).write('a')
    await once(stream, 'data')

    const closed = Promise.all([once(listener, 'close'), once(session, 'close')])
    listener.close()
    listener.closeAllConnections()
    await Promise.all([closed, readAll(silent), readAll(busy)])
  })

  test('starts and stops the TLS server with it, and leaves no listener behind', async (t) => {
    const tlsServer = createEcho()
    const heard: string[] = []
    for (const event of ['listening', 'close']) {
      tlsServer.on(event, () => heard.push(`${event} ${typeof tlsServer.address()}`))
    }
    const before = tlsServer.eventNames().map((event) => tlsServer.listenerCount(event))
    const { listener, port } = await startListener(t, tlsServer)
    assert.deepEqual(tlsServer.address(), { address: '127.0.0.1', family: 'IPv4', port })
    assert.equal((await send('https', port)).status, 200)
    listener.close()
    await once(listener, 'close')

    assert.deepEqual(heard, ['listening object', 'close object'])
    assert.equal(tlsServer.address(), null)
    assert.deepEqual(
      tlsServer.eventNames().map((event) => tlsServer.listenerCount(event)),
      before,
    )
    listener.listen(0, '127.0.0.1')
    await once(listener, 'listening')
    assert.equal(heard.length, 3)
  })

  test('closes with the TLS server', async (t) => {
    const { listener, port, tlsServer } = await startListener(t, createEcho())
    const silent = await connectTo(t, port)
    tlsServer.close()

    await Promise.all([once(listener, 'close'), readAll(silent)])
  })

  test('leaves a TLS server open that also listens itself', async (t) => {
    const tlsServer = createEcho()
    tlsServer.listen(0, '127.0.0.1')
    t.after(() => tlsServer.close())
    await once(tlsServer, 'listening')
    const { listener, port } = await startListener(t, tlsServer)
    assert.equal((await send('https', port)).status, 200)
    listener.close()
    await once(listener, 'close')

    assert.ok(tlsServer.listening)
  })
})
