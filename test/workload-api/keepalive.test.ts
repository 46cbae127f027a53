import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer as createNetServer, type Socket } from 'node:net'
import { mock, test, type TestContext } from 'node:test'
import { answer, createStub, head, listen, request } from './odd-server.ts'

/** Forwards bytes to a port until it is frozen. */
async function startRelay(
  context: TestContext,
  port: number,
): Promise<{ readonly port: number; readonly freeze: () => void }> {
  const sockets: Socket[] = []
  const relay = createNetServer((socket) => {
    const agent = connect(port, '127.0.0.1')
    for (const end of [socket, agent]) sockets.push(end.on('error', () => undefined))
    socket.pipe(agent).pipe(socket)
  })
  context.after(() => {
    relay.close()
    for (const socket of sockets) socket.destroy()
  })
  relay.listen(0, '127.0.0.1')
  await once(relay, 'listening')
  const address = relay.address()
  assert.ok(address !== null && typeof address === 'object')
  return { port: address.port, freeze: () => void sockets.map((socket) => socket.unpipe()) }
}

test('detects a frozen agent with a ping every 310 seconds, which it must answer within 20 seconds', async (context) => {
  const pings: unknown[] = []
  const port = await listen(context, (stream) => {
    stream.session?.on('ping', (payload: unknown) => pings.push(payload))
    stream.respond(head)
    stream.write(answer)
  })
  const relay = await startRelay(context, port)
  mock.timers.enable({ apis: ['setInterval', 'setTimeout'] })
  context.after(() => mock.timers.reset())
  const ended: string[] = []
  const stub = createStub(context, relay.port)
  await new Promise<void>((resolve) => {
    stub.watch('FetchJWTSVID', request, {
      message: () => resolve(),
      end: () => void ended.push('end'),
      fail: ({ grpcCode, message }) => void ended.push(`${grpcCode} ${message}`),
    })
  })
  mock.timers.tick(310_000)
  while (pings.length === 0) await new Promise(setImmediate)
  // The response is on its way.
  for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate)
  mock.timers.tick(20_000)
  for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate)
  assert.deepEqual([ended, pings.length], [[], 1])

  relay.freeze()
  mock.timers.tick(290_000)
  mock.timers.tick(19_999)
  await new Promise(setImmediate)
  assert.deepEqual(ended, [])
  mock.timers.tick(1)
  while (ended.length === 0) await new Promise(setImmediate)
  assert.match(ended[0] ?? '', /^UNAVAILABLE .*did not answer a ping within 20000 ms/)
})
