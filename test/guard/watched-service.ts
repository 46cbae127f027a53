import type { TestContext } from 'node:test'
import {
  authenticated,
  type CountersignEvent,
  createGuard,
  type Guard,
  type GuardOptions,
  type SourceEvent,
} from '@countersign/core'
import { forAdapter, isDenial } from '@countersign/core/adapter'
import {
  type Authority,
  createAuthority,
  type IssueOptions,
  type Running,
  serve,
  type TestSource,
} from '@countersign/testkit'
import { admitNow } from '../support/admit-now.ts'

export const ours = 'spiffe://saas.example/ns/production/sa/billing'
export const caller = 'spiffe://saas.example/ns/production/sa/core-api'

/** Milliseconds. */
export const day: number = 86_400_000

/** A guard of 'saas.example' and everything that it logged. */
export interface Watched {
  readonly authority: Authority
  readonly source: TestSource
  readonly guard: Guard
  readonly events: readonly CountersignEvent[]
}

/**
 * An authority with a lifetime of ten years that is a month old, a source whose SVID was issued with these options, and
 * a guard without a server.
 */
export async function createWatched(issue: IssueOptions = {}, options: Partial<GuardOptions> = {}): Promise<Watched> {
  const authority = await createAuthority('saas.example', {
    ttlSeconds: 3650 * 86_400,
    notBefore: Date.now() - 30 * day,
  })
  const source = await authority.source(ours, { svid: await authority.issue(ours, issue) })
  const events: CountersignEvent[] = []
  const log = (event: CountersignEvent): void => void events.push(event)
  const guard = createGuard({ source, rules: [{ path: '/**', allow: authenticated() }], log, ...options })
  return { authority, source, guard, events }
}

/** Serves it: responds to every allowed caller with its name. */
export async function serveWatched(context: TestContext, { guard }: Watched): Promise<Running> {
  const running = await serve(guard, (request, response) => {
    const verdict = admitNow(guard, request)
    if (!isDenial(verdict)) return response.end(verdict.name)
    const answer = forAdapter(guard).answer(verdict, request)
    return answer === undefined ? undefined : response.writeHead(answer.status).end()
  })
  context.after(() => running.close())
  return running
}

/** The source events so far with this outcome. */
export function sourceEvents(
  { events }: Pick<Watched, 'events'>,
  outcome: SourceEvent['outcome'],
): readonly SourceEvent[] {
  return events.filter((event) => event.type === 'source').filter((event) => event.outcome === outcome)
}
