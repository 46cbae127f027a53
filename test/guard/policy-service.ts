import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { TestContext } from 'node:test'
import {
  channels,
  type CountersignEvent,
  createGuard,
  type DecisionEvent,
  type Guard,
  type GuardOptions,
  type Policy,
  type PolicyEvent,
} from '@countersign/core'
import { createAuthority, type Running, serve } from '@countersign/testkit'

export const id = (account: string): string => `spiffe://saas.example/ns/production/sa/${account}`
export const authority = await createAuthority('saas.example')
export const source = await authority.source(id('billing'))
export const orders = await authority.issue(id('orders'))
export const admin = await authority.issue(id('admin-ui'), { ttlSeconds: 1800 })

export const invoices: Policy = {
  name: 'invoices',
  action: 'ALLOW',
  from: [{ serviceAccounts: ['production/orders'] }],
  to: [{ methods: ['GET'], paths: ['/invoices/**'] }],
}
export const noExports: Policy = { name: 'no-exports', action: 'DENY', to: [{ paths: ['/invoices/export'] }] }
export const emergency: Policy = {
  name: 'emergency',
  action: 'ALLOW',
  breakGlass: true,
  maxLifetime: '1h',
  from: [{ serviceAccounts: ['production/admin-ui'] }],
}

export interface Started {
  readonly guard: Guard
  readonly running: Running
  readonly events: readonly CountersignEvent[]
}

export async function start(context: TestContext, options: Partial<GuardOptions>): Promise<Started> {
  const events: CountersignEvent[] = []
  const guard = createGuard({ source, namespaces: ['production'], log: (event) => void events.push(event), ...options })
  const running = await serve(guard, (_request: unknown, response: { end(text: string): unknown }) => {
    response.end('served')
  })
  context.after(() => running.close())
  return { guard, running, events }
}

export function policyEvents(events: readonly CountersignEvent[]): readonly PolicyEvent[] {
  return events.filter((event) => event.type === 'policy')
}

export function followDecisions(context: TestContext): readonly DecisionEvent[] {
  const decisions: DecisionEvent[] = []
  const listener = (event: unknown): void => {
    if (isDecision(event)) decisions.push(event)
  }
  subscribe(channels.decision, listener)
  context.after(() => unsubscribe(channels.decision, listener))
  return decisions
}

function isDecision(event: unknown): event is DecisionEvent {
  return typeof event === 'object' && event !== null && 'effect' in event
}

export function inAnHour(): string {
  return new Date(Date.now() + 3_600_000).toISOString()
}
