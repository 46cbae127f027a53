import assert from 'node:assert/strict'
import type { Server } from 'node:net'
import type { TestContext } from 'node:test'
import {
  authenticated,
  type CountersignEvent,
  createGuard,
  custom,
  type Guard,
  type GuardOptions,
  hasAuthority,
} from '@countersign/core'
import { createAuthority, Peer, type TestSvid } from '@countersign/testkit'

export const idOf = (name: string): string => `spiffe://saas.example/ns/production/sa/${name}`
const rules: NonNullable<GuardOptions['rules']> = [
  { path: '/admin/**', allow: hasAuthority('SERVICE_admin-ui') },
  { path: '/**', allow: authenticated() },
]

export const authority = await createAuthority('saas.example')
const source = await authority.source(idOf('billing'))
/** Meets `authenticated()` and nothing else. */
export const attacker = await authority.issue(idOf('mailer'))
/** Meets all rules. */
export const entitled = await authority.issue(idOf('admin-ui'))

export function create(options: Partial<GuardOptions> | { readonly rules: undefined }): {
  readonly guard: Guard
  readonly events: readonly CountersignEvent[]
} {
  const events: CountersignEvent[] = []
  const isWithout = 'rules' in options && options.rules === undefined
  const log = (event: CountersignEvent): void => void events.push(event)
  const guard = createGuard({ source, log, ...(isWithout ? {} : { rules, ...options }) })
  return { guard, events }
}

export function createCounting(): { readonly guard: Guard; readonly asked: () => number } {
  let asked = 0
  const count = custom('count', () => {
    asked += 1
    return true
  })
  return { guard: create({ rules: [{ path: '/**', allow: count }] }).guard, asked: () => asked }
}

export function reasonsOf(events: readonly CountersignEvent[]): readonly string[] {
  return events.flatMap((event) => (event.type === 'denial' ? [event.reason] : []))
}

export async function listen(context: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await new Promise<void>((resolve) => server.once('listening', resolve))
  context.after(() => {
    server.close()
  })
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return address.port
}

export function peerOf(context: TestContext, port: number, svid: TestSvid, http2 = false): Peer {
  const peer = new Peer(port, svid, { http2 })
  context.after(() => peer.close())
  return peer
}
