import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { isRecord, parseOptions, refuseValue } from '@countersign/spiffe/options'
import { channels, type DecisionEvent } from '../events.ts'
import type { DroppedCounts } from './decision-line.ts'
import { type DecisionLogOptions, type ParsedLogOptions, parseLogOptions } from './decision-log-options.ts'
import { DecisionSample } from './decision-sample.ts'
import { describeDecision } from './describe-decision.ts'
import { formatLine } from './format-line.ts'
import { type Destination, LineWriter } from './line-writer.ts'
import { LogFile } from './log-file.ts'
import { LogStream } from './log-stream.ts'

/** An open decision log. */
export interface DecisionLog extends AsyncDisposable {
  /** How many decisions were not written so far, and why. The log also contains these counts, as lines. */
  readonly dropped: DroppedCounts
  /**
   * Opens the file again under its path, after it was renamed. The log also detects a rename itself within a second.
   * Does nothing with a `stream`, or after `close()`.
   *
   * @throws {Error} that of Node.js, if it cannot be opened; the open file stays in use
   */
  reopen(): Promise<void>
  /**
   * Stops listening and writes what is queued, for at most `timeoutMs` (default: 5000). Lines that were not written by
   * then are counted in `dropped`. Closes the file, but not a stream.
   */
  close(options?: { readonly timeoutMs?: number }): Promise<void>
}

/**
 * Writes the decisions of all guards of this process (of this thread, in a worker) to a file or a stream, as lines of
 * JSON: every denial, every would-be denial, and a sample of the allowed decisions. It never delays a request;
 * decisions that it cannot write in time are counted.
 *
 * @example
 *
 *     const log = decisionLog({ path: '/var/log/billing/decisions.jsonl' })
 *
 * @throws {ConfigurationError} `option_invalid` or `option_unknown`, also if the file cannot be opened
 */
export function decisionLog(options: DecisionLogOptions): DecisionLog {
  return new OpenDecisionLog(parseLogOptions(options))
}

class OpenDecisionLog implements DecisionLog {
  readonly #options: ParsedLogOptions
  readonly #sample: DecisionSample
  readonly #file: LogFile | undefined
  readonly #writer: LineWriter
  #closed: Promise<void> | undefined

  constructor(options: ParsedLogOptions) {
    const { destination, sampleAllowed, maxPerSecond, maxQueueBytes, onError } = options
    this.#options = options
    this.#sample = new DecisionSample(sampleAllowed, maxPerSecond)
    // Each file contains the first decision of each kind, so that older files can be deleted.
    const { target, file } = open(destination, () => this.#sample.restart())
    this.#file = file
    this.#writer = new LineWriter(target, maxQueueBytes, onError)
    subscribe(channels.decision, this.#note)
    process.on('exit', this.#onExit)
  }

  get dropped(): DroppedCounts {
    return this.#writer.dropped
  }

  async reopen(): Promise<void> {
    await this.#file?.reopen()
  }

  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    const { timeoutMs = 5000 } = parseOptions(options, ['timeoutMs'], 'close')
    if (typeof timeoutMs !== 'number' || !(timeoutMs >= 0 && timeoutMs <= longestTimeout)) {
      return refuseValue('close: timeoutMs', timeoutMs, `milliseconds from 0 to ${longestTimeout}`)
    }
    return (this.#closed ??= this.#close(timeoutMs))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(timeoutMs: number): Promise<void> {
    unsubscribe(channels.decision, this.#note)
    await this.#writer.close(timeoutMs)
    process.off('exit', this.#onExit)
  }

  // An exception in a subscriber would end the process.
  readonly #note = (event: unknown): void => {
    try {
      if (isDecision(event)) this.#write(event)
    } catch {
      this.#writer.drop('failed')
    }
  }

  #write(event: DecisionEvent): void {
    const sampled = this.#sample.judge(event)
    if (sampled === 'over-limit') this.#writer.drop('rate')
    if (sampled === 'over-limit' || sampled === 0) return
    const isQueued =
      this.#writer.hasRoom() && this.#writer.add(formatLine(describeDecision(event, sampled, this.#options.redaction)))
    // The next decision of this kind then counts as the first.
    if (!isQueued && event.effect === 'allow') this.#sample.forget(event)
  }

  readonly #onExit = (): void => this.#writer.writeAtExit()
}

function open(
  destination: ParsedLogOptions['destination'],
  onReopen: () => void,
): { readonly target: Destination; readonly file?: LogFile } {
  if (destination.kind === 'stream') return { target: new LogStream(destination.stream) }
  const file = new LogFile(destination.path, onReopen)
  return { target: file, file }
}

// Only guards publish on this channel, so the type identifies the form.
function isDecision(event: unknown): event is DecisionEvent {
  return isRecord(event) && event['type'] === 'decision'
}

/** Milliseconds: an hour. */
const longestTimeout = 3_600_000
