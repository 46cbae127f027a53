import assert from 'node:assert/strict'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { authenticated, type CountersignEvent, createGuard, type Guard, type X509Source } from '@countersign/core'
import { createDialer } from '@countersign/core/adapter'
import { createAuthority, type Running, serve, type TestSource } from '@countersign/testkit'

/*
 * An application may change its source while it is notified of an event. The servers then have to end up with the
 * newest state, not with the one that was being reported.
 */

const authority = await createAuthority('saas.example')
const ours = 'spiffe://saas.example/ns/production/sa/billing'
const [first, second] = [await authority.issue(ours), await authority.issue(ours)]
const caller = await authority.issue('spiffe://saas.example/ns/production/sa/core-api')

interface Service {
  readonly guard: Guard
  readonly source: TestSource
  readonly running: Running
}

/** A guarded server that calls `change` when it first logs a source event with this outcome. */
async function start(
  context: TestContext,
  outcome: 'lost' | 'recovered' | 'refused',
  change: (source: TestSource) => void,
): Promise<Service> {
  const source = await authority.source(ours, { svid: first })
  let isDone = false
  const guard = createGuard({
    source,
    rules: [{ path: '/**', allow: authenticated() }],
    log: (event) => {
      if (isDone || event.type !== 'source' || event.outcome !== outcome) return
      isDone = true
      change(source)
    },
  })
  const running = await serve(guard, (_request, response) => response.end())
  context.after(() => running.close())
  return { guard, source, running }
}

/** The serial number of the certificate that the server presents, or undefined if it refuses the handshake. */
async function presented({ running }: Service): Promise<string | undefined> {
  try {
    const socket = await running.as(caller).connect({ maxVersion: 'TLSv1.3' })
    return socket.getPeerCertificate().serialNumber.toLowerCase()
  } catch {
    return undefined
  }
}

test('a server presents material that replaces lost material while the loss is being logged', async (context) => {
  const service = await start(context, 'lost', (source) => source.replace({ svid: second }))
  assert.equal(await presented(service), first.serialNumber)
  service.source.withdraw()
  assert.equal(service.guard.health().status, 'ready')
  assert.equal(await presented(service), second.serialNumber)
})

test('a connection whose peer is still verified survives a loss that ends while it is being logged', async (context) => {
  const { source, running } = await start(context, 'lost', (changed) => changed.replace({ svid: second }))
  const accepted = once(running.server, 'secureConnection')
  const kept = await running.as(caller).connect()
  await accepted
  source.withdraw()
  kept.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
  assert.match(await text(kept), /^HTTP\/1\.1 200 /)
})

test('a server presents nothing if its material is withdrawn while its recovery is being logged', async (context) => {
  const service = await start(context, 'recovered', (source) => source.withdraw())
  service.source.withdraw()
  service.source.replace({ svid: second })
  assert.equal(service.guard.health().status, 'lost')
  assert.equal(await presented(service), undefined)
})

test('a server presents material that replaces a refused update while the refusal is being logged', async (context) => {
  const service = await start(context, 'refused', (source) =>
    source.replace({ svid: second, bundles: { 'saas.example': authority } }),
  )
  const other = await createAuthority('other.example')
  const svid = await other.issue('spiffe://other.example/ns/production/sa/billing')
  service.source.replace({ svid, bundles: { 'saas.example': authority, 'other.example': other } })
  assert.equal(await presented(service), second.serialNumber)
})

test('a dialer that is closed while a loss is being logged no longer reads its source', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const source = await authority.source(ours)
  const reads = countReads(source)
  const log = (event: CountersignEvent): void => {
    if (event.type === 'source' && event.outcome === 'lost') dialer.close()
  }
  const dialer = createDialer(reads.source, { servers: [ours], log }, 'test')
  source.withdraw()
  const before = reads.count()
  context.mock.timers.tick(3_600_000)
  assert.equal(reads.count(), before)
})

function countReads(source: X509Source): { readonly source: X509Source; readonly count: () => number } {
  let count = 0
  const counted: X509Source = {
    get current() {
      count += 1
      return source.current
    },
    onUpdate: (listener) => source.onUpdate(listener),
    onNotice: (listener) => source.onNotice?.(listener) ?? (() => undefined),
    close: () => source.close(),
    [Symbol.asyncDispose]: () => source.close(),
  }
  return { source: counted, count: () => count }
}
