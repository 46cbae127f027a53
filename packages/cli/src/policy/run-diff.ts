import type { GuardSimulation, MatrixCell } from '@countersign/core'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { formatTable } from './format-table.ts'
import { type PolicyFlags, refuseFlag } from './policy-options.ts'
import { type LoggedDecision, readLog } from './read-log.ts'
import { withInput } from './report-input.ts'
import { simulateService } from './simulate-service.ts'
import { count } from '../output/count.ts'

/** A kind of request whose outcome changes. */
interface Change {
  readonly caller: string | null
  readonly method: string
  readonly path: string
  readonly requests: number
  readonly before: MatrixCell
  readonly after: MatrixCell
}

/**
 * Replays a decision log against two revisions. The exit code is 1 if the new revision denies a request that the old
 * one allows, or may deny it, depending on values that the log does not record.
 */
export async function runDiff(given: readonly unknown[], flags: PolicyFlags, context: Context): Promise<number> {
  return withInput(context, async () => {
    if (flags.log === undefined) refuseFlag('--log', undefined, 'the decision log to replay')
    const [before, after] = await Promise.all(given.map((documents) => simulateService(documents, flags)))
    if (before === undefined || after === undefined) throw new Error('diff takes two arguments')
    const { decisions, gaps } = await readLog(flags.log, context)
    const replayed = decisions.map((decision) => replay(decision, before, after))
    const changes = replayed
      .filter((change) => change.before.effect !== change.after.effect)
      .toSorted((one, other) => other.requests - one.requests)
    const lost = changes.filter((change) => change.before.effect === 'allow')
    const unlike = decisions.filter(({ enforced }, index) => isUnlike(enforced, replayed[index]?.before)).length
    const counts = { kinds: decisions.length, changed: changes.length, lost: lost.length, unlike, gaps }
    if (flags.json === true) context.output.json({ event: 'diff', ...counts, changes })
    else report(counts, changes, context)
    return lost.length > 0 ? exitCodes.failed : exitCodes.ok
  })
}

function replay(decision: LoggedDecision, before: GuardSimulation, after: GuardSimulation): Change {
  const { caller, credential, method, path, requests } = decision
  const question = { caller, method, path, ...(credential !== undefined && { credential }) }
  return {
    caller,
    method,
    path,
    requests: Math.round(requests),
    before: before.decide(question),
    after: after.decide(question),
  }
}

// The old revision and the service decided differently: another service, or other options.
function isUnlike(enforced: 'allow' | 'deny', before: MatrixCell | undefined): boolean {
  return before?.effect !== 'depends' && before?.effect !== enforced
}

interface Counts {
  readonly kinds: number
  readonly changed: number
  readonly lost: number
  readonly unlike: number
  readonly gaps: readonly string[]
}

const mostShown = 50

function report(
  { kinds, changed, lost, unlike, gaps }: Counts,
  changes: readonly Change[],
  { output, errors }: Context,
): void {
  output.line(`${changed} of ${count(kinds, 'kind')} of requests change; ${lost} may lose access`)
  const shown = changes.slice(0, mostShown)
  const rows = shown.map(({ caller, method, path, requests, before: old, after: next }) => [
    `${old.effect} -> ${next.effect}`,
    String(requests),
    caller ?? 'anonymous',
    method,
    path,
    next.because,
  ])
  if (rows.length > 0) {
    for (const line of formatTable([['change', 'requests', 'caller', 'method', 'path', 'because'], ...rows]))
      output.line(line)
  }
  if (changes.length > shown.length) output.line(`and ${changes.length - shown.length} more; --json lists all`)
  for (const gap of gaps) errors.line(gap)
  if (unlike > 0) {
    errors.line(
      `${count(unlike, 'kind')} of requests ${unlike === 1 ? 'was' : 'were'} decided differently than by the old documents: check --as, the other options and the revision of the log`,
    )
  }
}
