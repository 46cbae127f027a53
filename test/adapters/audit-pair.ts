import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { TestContext } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { channels } from '@countersign/core'
import { waitUntil } from '../support/wait-until.ts'

/** A decision as published, without what differs from request to request. */
export interface Decision {
  readonly effect: string
  readonly principal: unknown
  readonly method: unknown
  readonly path: unknown
  readonly remoteAddress: unknown
  /** The denial, or the one that enforcement would have made. */
  readonly denial: Denied | undefined
}

interface Denied {
  readonly status: unknown
  readonly code: unknown
  readonly reason: unknown
  readonly detail: unknown
  readonly rule: unknown
}

/** What is published during a test, by whichever guard. */
export interface Published {
  /** Runs a request, and returns the decisions about it once at least one was published. */
  readonly during: (run: () => Promise<unknown>) => Promise<readonly Decision[]>
  /** The audit events so far. */
  readonly audits: readonly Fields[]
}

type Fields = Readonly<Record<string, unknown>>

export function followDecisions(context: TestContext): Published {
  const decisions: Fields[] = []
  const audits: Fields[] = []
  const note = (event: unknown): void => {
    if (isFields(event)) decisions.push(event)
  }
  const noteAudit = (event: unknown): void => {
    if (isFields(event)) audits.push(event)
  }
  subscribe(channels.decision, note)
  subscribe(channels.audit, noteAudit)
  context.after(() => {
    unsubscribe(channels.decision, note)
    unsubscribe(channels.audit, noteAudit)
  })
  const during = async (run: () => Promise<unknown>): Promise<readonly Decision[]> => {
    const from = decisions.length
    await run()
    await waitUntil(() => decisions.length !== from)
    // A second one would follow at once.
    for (let times = 0; times < 5; times += 1) await turn()
    return decisions.slice(from).map(describe)
  }
  return { during, audits }
}

function describe(event: Fields): Decision {
  const { effect, principal, method, path, remoteAddress, wouldBe } = event
  const denial = effect === 'deny' ? event : wouldBe
  const about = { effect: String(effect), principal, method, path, remoteAddress }
  return { ...about, denial: isFields(denial) ? pick(denial) : undefined }
}

function pick({ status, code, reason, detail, rule }: Fields): Denied {
  return { status, code, reason, detail, rule }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null
}

/** Checks that a request of a guard in audit mode was decided once, and as the enforcing guard decided it last. */
export function assertSameDecision(audited: readonly Decision[], enforced: readonly Decision[], what: string): void {
  assert.equal(audited.length, 1, `${what}: ${JSON.stringify(audited)}`)
  const [would] = audited
  const last = enforced.at(-1)
  assert.ok(would !== undefined && last !== undefined, what)
  assert.deepEqual(would, { ...last, effect: 'allow' }, what)
}
