import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  authenticated,
  type CountersignEvent,
  createGuard,
  type X509Material,
  type X509Source,
} from '@countersign/core'
import { createAuthority } from '@countersign/testkit'
import { admitNow } from '../support/admit-now.ts'

const authority = await createAuthority('saas.example')
const good = await authority.source('spiffe://saas.example/ns/production/sa/billing')
const rules = [{ path: '/**', allow: authenticated() }]
const request = {
  method: 'GET',
  url: '/',
  httpVersionMajor: 1,
  headers: {},
  rawHeaders: ['Host', 'a'],
  socket: {},
}

/** The application's own source, which may offer anything. */
function createOwnSource(offer: () => X509Material): X509Source {
  const close = (): Promise<void> => Promise.resolve()
  return {
    get current(): X509Material {
      return offer()
    },
    onUpdate: () => () => undefined,
    close,
    [Symbol.asyncDispose]: close,
  }
}

function reasonOf(offer: () => X509Material): {
  readonly reason: string
  readonly events: readonly CountersignEvent[]
} {
  const events: CountersignEvent[] = []
  let isStarted = false
  const source = createOwnSource(() => (isStarted ? offer() : good.current))
  const guard = createGuard({ source, rules, log: (event) => events.push(event) })
  isStarted = true
  const verdict = admitNow(guard, request)
  return { reason: 'effect' in verdict ? verdict.reason : 'allowed', events }
}

test('keeps its material if a source offers material that cannot be read', () => {
  const { svid } = good.current
  const broken = { ...good.current, svid: { ...svid, certificatePem: 'nonsense' }, bundles: new Map() }
  const { reason, events } = reasonOf(() => broken)
  assert.equal(reason, 'unauthenticated')
  assert.ok(events.some((event) => event.type === 'source' && event.code === 'update_refused'))
})

test('reports an error that a source throws and keeps its decisions', () => {
  const throwIt = (): X509Material => {
    throw new TypeError('no agent')
  }
  const { reason, events } = reasonOf(throwIt)
  assert.equal(reason, 'source_unavailable')
  assert.ok(events.some((event) => event.type === 'source' && event.outcome === 'lost'))
})

test('keeps its decisions if a source continues to offer an expired SVID', () => {
  const expired = { ...good.current, svid: { ...good.current.svid, expiresAt: Date.now() - 1 } }
  const { reason, events } = reasonOf(() => expired)
  assert.equal(reason, 'source_unavailable')
  assert.ok(events.some((event) => event.type === 'source' && event.code === 'source_expired'))
})

test('does not return to withdrawn material if the next update is refused', async () => {
  const elsewhere = await createAuthority('other.example')
  const other = await elsewhere.source('spiffe://other.example/ns/production/sa/billing')
  let offer = (): X509Material => good.current
  const events: CountersignEvent[] = []
  const guard = createGuard({ source: createOwnSource(() => offer()), rules, log: (event) => events.push(event) })
  const reason = (): string => {
    const verdict = admitNow(guard, request)
    return 'effect' in verdict ? verdict.reason : 'allowed'
  }
  offer = () => {
    throw new TypeError('no agent')
  }
  assert.equal(reason(), 'source_unavailable')
  offer = () => other.current
  assert.equal(reason(), 'source_unavailable')
  assert.equal(reason(), 'source_unavailable')
  assert.deepEqual(
    events.flatMap((event) => (event.type === 'source' ? [event.outcome] : [])),
    ['lost', 'refused'],
  )
  offer = () => good.current
  assert.equal(reason(), 'unauthenticated')
})
