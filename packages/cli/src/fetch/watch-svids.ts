import { AgentError, type AgentSvid, type WorkloadApiClient } from '@countersign/workload-api'
import type { Context } from '../context.ts'
import { waitForEnd } from '../ending.ts'
import { exitCodes } from '../exit-codes.ts'
import { readFailure } from '../failure.ts'
import { formatSvidBlock, formatSvidLine } from '../output/format-svid.ts'
import { formatMoment, formatRemaining } from '../output/format-time.ts'
import { readSvidFacts, type SvidFacts } from '../output/svid-facts.ts'

/**
 * Shows each update of the agent until the process is signalled to end, or until the agent reports a final error. A
 * terminal shows blocks, with a countdown to the earliest expiry below. Otherwise each SVID is one line, or JSON.
 */
export async function watchSvids(client: WorkloadApiClient, json: boolean, context: Context): Promise<number> {
  const ended = context.stayUntilEnded()
  const hopeless = new AbortController()
  const view = new WatchView(json, context)
  const stop = client.watchX509Svids({
    onUpdate: (svids) => view.show(svids),
    onError: (error) => {
      view.fail(error)
      if (error instanceof AgentError && error.isFinal) hopeless.abort()
    },
  })
  const timer = setInterval(() => view.tick(), 1000)
  await waitForEnd(AbortSignal.any([ended, hopeless.signal]))
  clearInterval(timer)
  stop()
  context.output.clearStatus()
  return hopeless.signal.aborted ? exitCodes.failed : exitCodes.ok
}

class WatchView {
  readonly #json: boolean
  readonly #context: Context
  #svids: readonly SvidFacts[] = []
  #updates = 0
  /** The last reported message, because an unavailable agent is retried continually. */
  #reported = ''

  constructor(json: boolean, context: Context) {
    this.#json = json
    this.#context = context
    this.tick()
  }

  show(svids: readonly AgentSvid[]): void {
    this.#svids = svids.map(readSvidFacts)
    this.#updates += 1
    this.#reported = ''
    const { output, now } = this.#context
    const at = now()
    if (!this.#json && output.isTerminal) output.line(output.colors.dim(`update ${this.#updates}, ${formatMoment(at)}`))
    for (const svid of this.#svids) {
      if (this.#json) output.json({ event: 'svid', update: this.#updates, at: formatMoment(at), ...svid })
      else if (output.isTerminal)
        for (const line of [...formatSvidBlock(svid, at, output.colors), '']) output.line(line)
      else output.line(formatSvidLine(`update ${this.#updates}`, svid, at))
    }
    this.tick()
  }

  fail(error: unknown): void {
    const { exitCode: _, ...failure } = readFailure(error)
    // SPIFFE Workload API §5.2.1: the workload no longer has an SVID.
    if (failure.code === 'agent_denied') this.#svids = []
    if (failure.message === this.#reported) return
    this.#reported = failure.message
    const { output, errors, now } = this.#context
    output.clearStatus()
    errors.line(`${errors.colors.red('countersign:')} ${failure.message}`)
    if (this.#json) output.json({ event: 'failure', at: formatMoment(now()), ...failure })
    this.tick()
  }

  tick(): void {
    if (this.#json) return
    const { output, now } = this.#context
    const [next] = [...this.#svids].sort((a, b) => Date.parse(a.expiresAt) - Date.parse(b.expiresAt))
    const state = next === undefined ? 'no SVID' : formatCountdown(next, now())
    output.status(
      `${state}; ${this.#updates} ${this.#updates === 1 ? 'update' : 'updates'} so far; press Ctrl-C to stop`,
    )
  }
}

// The part that changes comes first, because the end of a long line is cut.
function formatCountdown({ spiffeId, expiresAt }: SvidFacts, now: number): string {
  const remaining = formatRemaining(Date.parse(expiresAt), now)
  return `${remaining.startsWith('in') ? `expires ${remaining}` : remaining}: ${spiffeId}`
}
