import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectHttp2, constants } from 'node:http2'
import { describe, test, type TestContext } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { authenticated } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'
import { holdAuthorizer, type HeldAuthorizer } from './authorized-service.ts'
import { ask, everywhere, idOf, type Service, setups, startService, upgrade } from './credential-service.ts'

const authority = await createAuthority('saas.example')
const orders = await authority.issue(idOf('orders'))

interface Started {
  readonly service: Service
  readonly held: HeldAuthorizer
}

async function start(context: TestContext, setup: Service['setup']): Promise<Started> {
  const held = holdAuthorizer()
  const source = await authority.source(idOf('billing'))
  const { authorizer } = held
  const service = await startService(context, setup, { source, rules: everywhere(authenticated()), authorizer })
  return { service, held }
}

describe('promise 15: a caller that disconnects while the authorizer is asked starts no handler', () => {
  for (const setup of setups) {
    test(`${setup.name}: a disconnect cancels the call, and the handler never starts`, async (context) => {
      const { service, held } = await start(context, setup)
      const peer = service.as(orders)
      const answer = peer.fetch('/open')
      await held.reached(1)
      const [call = assert.fail()] = held.calls
      const aborted = once(call.signal, 'abort')
      peer.close()
      await assert.rejects(answer)
      await aborted
      call.answer(true)
      const next = ask(service.as(orders), '/open/next')
      await held.reached(2)
      held.calls[1]?.answer(true)
      assert.deepEqual(await next, [idOf('orders'), null])
      assert.deepEqual(pathsOf(service), ['/open/next'])
      assert.ok(!service.events.some(({ type }) => type === 'denial'))
    })
  }

  for (const setup of setups.filter(({ http2 }) => !http2)) {
    test(`${setup.name}: an upgrade waits for the answer`, async (context) => {
      const { service, held } = await start(context, setup)
      const allowed = upgrade(service, orders)
      await held.reached(1)
      const socket = await service.running.as(orders).connect()
      socket.write('GET /open HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nbehind it')
      await held.reached(2)
      assert.deepEqual(service.seen, [])
      held.calls[0]?.answer(true)
      held.calls[1]?.answer(false)
      const { isOpen } = await allowed
      assert.match(String(await once(socket, 'data')), /^HTTP\/1\.1 403 /)
      await once(socket, 'close')
      assert.equal(service.seen.length, 1)
      assert.ok(isOpen())
    })

    test(`${setup.name}: an upgrade that is closed while it waits reaches no listener, and cancels the call`, async (context) => {
      const { service, held } = await start(context, setup)
      for (const [index, end] of (['destroy', 'resetAndDestroy'] as const).entries()) {
        const socket = await service.running.as(orders).connect()
        socket.on('error', () => undefined)
        socket.write('GET /open HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
        await held.reached(index + 1)
        const call = held.calls[index] ?? assert.fail()
        const aborted = once(call.signal, 'abort')
        if (end === 'destroy') socket.destroy()
        else socket.destroy(new Error('reset'))
        await aborted
        call.answer(true)
      }
      await waitForConnections(service, 0)
      assert.deepEqual(service.seen, [])
    })

    test(`${setup.name}: pipelined requests are all cancelled by one disconnect`, async (context) => {
      const warnings: unknown[] = []
      const note = (warning: unknown): void => void warnings.push(warning)
      process.on('warning', note)
      context.after(() => process.off('warning', note))
      const { service, held } = await start(context, setup)
      const socket = await service.running.as(orders).connect()
      socket.on('error', () => undefined)
      socket.write('GET /open HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(15))
      await held.reached(15)
      const aborted = held.calls.map(({ signal }) => once(signal, 'abort'))
      socket.destroy()
      await Promise.all(aborted)
      for (const { answer } of held.calls) answer(true)
      await waitForConnections(service, 0)
      assert.deepEqual(service.seen, [])
      const leaks = warnings.filter((warning) => String(warning).includes('MaxListeners'))
      assert.deepEqual(leaks, [])
    })
  }

  test('HTTP/2: a stream that is reset cancels its own call, and no other', async (context) => {
    const setup = setups.find(({ http2 }) => http2) ?? assert.fail()
    const { service, held } = await start(context, setup)
    const socket = await service.running.as(orders).connect({ ALPNProtocols: ['h2'] })
    const session = connectHttp2(service.running.url, { createConnection: () => socket })
    context.after(() => session.destroy())
    const [reset, kept] = ['/open/reset', '/open/kept'].map((path) =>
      session
        .request({ ':path': path })
        .on('error', () => undefined)
        .resume(),
    )
    await held.reached(2)
    const [first, second] = held.calls.toSorted((one, other) => (one.question.path < other.question.path ? 1 : -1))
    assert.ok(first !== undefined && second !== undefined && reset !== undefined && kept !== undefined)
    const aborted = once(first.signal, 'abort')
    reset.close(constants.NGHTTP2_CANCEL)
    await aborted
    assert.equal(second.signal.aborted, false)
    first.answer(true)
    second.answer(true)
    await once(kept, 'end')
    assert.deepEqual(pathsOf(service), ['/open/kept'])
  })
})

function pathsOf({ seen }: Service): readonly string[] {
  return seen.map(({ path }) => path)
}

/** Waits until the server has this many connections. */
async function waitForConnections({ running }: Service, expected: number): Promise<void> {
  for (;;) {
    const found = await new Promise((resolve) => {
      running.server.getConnections((_error, count) => resolve(count))
    })
    if (found === expected) return
    await wait(5)
  }
}
