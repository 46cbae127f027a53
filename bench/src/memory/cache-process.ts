/**
 * Shows a guard more and more different inputs of one kind, and answers with the heap that it uses after each of the
 * requested numbers. SVIDs and paths come without TLS, through the source that the testkit uses: a million handshakes
 * would take an hour.
 */
import { EventEmitter } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createServer } from 'node:tls'
import { authenticated, createGuard, type Guard, staticSource } from '@countersign/core'
import { forAdapter, isDenial } from '@countersign/core/adapter'
import { injectedCaller, type InjectingSource } from '@countersign/core/testing'
import { createAuthority } from '@countersign/testkit'
import { answerMessages, hasNames } from '../measure/child-process.ts'
import { type ManySvids, prepareMany } from './issue-many.ts'
import type { CacheTask, Kind } from './measure-cache.ts'

answerMessages(hasNames<CacheTask>('kind', 'counts'), async (task) => ({
  answer: await measure(task),
  next: () => undefined,
}))

/** Returns three readings in MiB for each number. */
async function measure({ kind, counts }: CacheTask): Promise<readonly (readonly number[])[]> {
  const show = await prepare(kind)
  show(0)
  const before = readHeap()
  const readings: (readonly number[])[] = []
  let shown = 1
  for (const count of counts) {
    for (; shown < count; shown += 1) {
      show(shown)
      // For the timers of the log.
      if (shown % 10_000 === 0) await nextTurn()
    }
    readings.push(Array.from({ length: 3 }, () => (readHeap() - before) / 2 ** 20))
  }
  // Still in use, so that nothing is collected before.
  show(0)
  return readings
}

/** Returns a function that shows the guard the input with this number. */
async function prepare(kind: Kind): Promise<(index: number) => void> {
  const authority = await createAuthority('saas.example')
  const own = await authority.issue('spiffe://saas.example/ns/production/sa/billing')
  const svids = await prepareMany(authority)
  let leaf = svids.issue(0)
  const source: InjectingSource = {
    ...openSource({ key: own.keyPem, cert: own.certificatePem, bundles: { 'saas.example': authority.bundlePem } }),
    [injectedCaller]: () => [leaf],
  }
  const guard = createGuard({ source, rules: [{ path: '/**', allow: authenticated() }], log: () => undefined })
  if (kind === 'clients') return prepareClients(guard)
  if (kind === 'SVIDs') {
    return (index) => {
      leaf = svids.issue(index)
      admit(guard, svids, index, '/internal')
    }
  }
  const urlOf = urls[kind]
  return (index) => admit(guard, svids, 0, urlOf(index))
}

const urls: Readonly<Record<'paths' | 'escapes' | 'queries', (index: number) => string>> = {
  paths: (index) => `/internal/orders/${index}`,
  escapes: (index) => `/internal/orders/%E2%82%AC${index}`,
  queries: (index) => `/internal/orders?page=${index}`,
}

function admit(guard: Guard, svids: ManySvids, caller: number, url: string): void {
  const verdict = forAdapter(guard).admit({
    method: 'GET',
    url,
    httpVersionMajor: 1,
    headers: { host: 'billing' },
    rawHeaders: ['Host', 'billing'],
    socket: {},
  })
  const expected = svids.nameOf(caller)
  if (verdict instanceof Promise || verdict === null) throw new Error('expected an authenticated caller')
  if (isDenial(verdict)) throw new Error(`found a denial (${verdict.detail}), expected ${expected} to be allowed`)
  if (verdict.name !== expected) throw new Error(`found ${verdict.name}, expected ${expected}`)
}

// Every client has another network and fails its handshake for another reason.
function prepareClients(guard: Guard): (index: number) => void {
  const server = createServer(guard.tlsOptions())
  guard.attach(server)
  return (index) => {
    const remoteAddress = `2001:db8:${(index >> 16).toString(16)}:${(index & 0xffff).toString(16)}::1`
    const socket = Object.assign(new EventEmitter(), { remoteAddress })
    server.emit('tlsClientError', new Error(`the handshake failed for reason ${index}`), socket)
  }
}

function openSource(material: Parameters<typeof staticSource>[0]): Omit<InjectingSource, typeof injectedCaller> {
  const source = staticSource(material)
  return {
    current: source.current,
    onUpdate: (listener) => source.onUpdate(listener),
    close: () => source.close(),
    [Symbol.asyncDispose]: () => source.close(),
  }
}

function readHeap(): number {
  for (let time = 0; time < 3; time += 1) globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
