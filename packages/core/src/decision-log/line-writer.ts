import { ignoreRejection } from '@countersign/spiffe/options'
import type { DroppedCounts } from './decision-line.ts'
import { formatLine } from './format-line.ts'

/** Where lines are written. */
export interface Destination {
  /** The error after which nothing can be written. */
  readonly failure: Error | undefined
  /** Writes bytes and never rejects. */
  write(bytes: Buffer): Promise<Written>
  /** Writes bytes synchronously, as far as the destination supports that. */
  writeAtExit(bytes: Buffer): void
  /** Releases resources after a write in progress. Never rejects. */
  close(): Promise<void>
}

/** The result of a write. */
export interface Written {
  /** How many bytes were written. */
  readonly bytes: number
  /** Why the other bytes were not written, or another problem to report to an operator. */
  readonly error?: Error | undefined
}

/**
 * Writes lines in the background, in order and one chunk at a time. The queue is bounded; lines that do not fit are
 * counted. After an error, lines stay in the queue and are retried every second.
 */
export class LineWriter {
  readonly #destination: Destination
  readonly #mostBytes: number
  readonly #onError: (error: Error) => void
  readonly #total = createCounts()
  #unreported = createCounts()
  /** True if the unreported counts are to be written. */
  #isReportDue = false
  #reportTimer: NodeJS.Timeout | undefined
  readonly #lines: string[] = []
  #bytes = 0
  #isFull = false
  /** How many lines at the head of the queue are being written. */
  #inFlight = 0
  #isScheduled = false
  #running: Promise<void> | undefined
  #retryTimer: NodeJS.Timeout | undefined
  #isFailing = false
  #state: 'open' | 'closing' | 'closed' = 'open'

  constructor(destination: Destination, mostBytes: number, onError: (error: Error) => void) {
    this.#destination = destination
    this.#mostBytes = mostBytes
    this.#onError = onError
  }

  /** How many lines were not written. */
  get dropped(): DroppedCounts {
    return Object.freeze({ ...this.#total })
  }

  /** Returns whether a line can be queued; if not, counts it as dropped. */
  hasRoom(): boolean {
    if (this.#isOpen() && !this.#isFull) return true
    this.drop(this.#isOpen() ? 'queue' : 'failed')
    // A stream may have failed while the queue was empty.
    if (!this.#isOpen() && !this.#isFailing) this.#wake()
    return false
  }

  /** Queues a line of `formatLine`. Returns false if it was counted as dropped instead. */
  add(line: string): boolean {
    if (!this.hasRoom()) return false
    const bytes = line.length + ofLine
    this.#isFull = this.#bytes + bytes > this.#mostBytes
    if (!this.hasRoom()) return false
    this.#lines.push(line)
    this.#bytes += bytes
    this.#wake()
    return true
  }

  /** Counts lines that are not written. */
  drop(cause: keyof DroppedCounts, count: number = 1): void {
    this.#total[cause] += count
    this.#unreported[cause] += count
    if (!this.#isOpen()) return
    this.#reportTimer ??= setTimeout(() => {
      this.#reportTimer = undefined
      this.#isReportDue = true
      this.#wake()
    }, turn).unref()
  }

  /** Writes the queued lines, for at most `timeoutMs`, and then closes the destination. */
  async close(timeoutMs: number): Promise<void> {
    this.#state = 'closing'
    clearTimeout(this.#reportTimer)
    this.#isReportDue = true
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<void>((resolve) => (timer = setTimeout(resolve, timeoutMs)))
    await Promise.race([timeout, this.#drain()])
    this.#state = 'closed'
    this.#giveUp()
    await Promise.race([timeout, this.#destination.close()])
    clearTimeout(timer)
  }

  /** Writes the queue at once, because the process is about to exit. */
  writeAtExit(): void {
    // The descriptor of a closed file may have been reused.
    if (this.#state === 'closed') return
    // Node.js completes a write in progress before it exits.
    const { text } = this.#compose(this.#lines.slice(this.#inFlight), hasAny(this.#unreported))
    this.#lines.length = this.#inFlight
    if (text !== '') this.#destination.writeAtExit(Buffer.from(text, 'latin1'))
  }

  #isOpen(): boolean {
    return this.#state === 'open' && this.#destination.failure === undefined
  }

  // At the end of a turn of the event loop, so that its requests share one write.
  #wake(): void {
    if (this.#isScheduled || this.#running !== undefined || this.#retryTimer !== undefined) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      if (this.#state === 'open') void this.#run()
    })
  }

  async #drain(): Promise<void> {
    await this.#running
    clearTimeout(this.#retryTimer)
    this.#retryTimer = undefined
    await this.#run()
  }

  async #run(): Promise<void> {
    this.#running ??= this.#writeAll()
    await this.#running
    this.#running = undefined
    // A line may have been added since the last check.
    if (this.#lines.length > 0 && this.#isOpen()) this.#wake()
  }

  async #writeAll(): Promise<void> {
    while (this.#hasWork()) {
      if (!(await this.#writeChunk())) break
    }
    const { failure } = this.#destination
    if (failure === undefined) return
    this.#note(failure)
    this.#giveUp()
  }

  #hasWork(): boolean {
    if (this.#destination.failure !== undefined) return false
    return this.#lines.length > 0 || (this.#isReportDue && hasAny(this.#unreported))
  }

  /** Writes some lines. Returns false if the other lines have to wait. */
  async #writeChunk(): Promise<boolean> {
    const lines = this.#lines.slice(0, this.#countOfChunk())
    const { text, counts } = this.#compose(lines, this.#isReportDue && hasAny(this.#unreported))
    this.#inFlight = lines.length
    const { bytes, error } = await this.#destination.write(Buffer.from(text, 'latin1'))
    this.#inFlight = 0
    if (this.#state === 'closed') return false
    const isComplete = bytes >= text.length
    this.#remove(isComplete ? lines.length : countWithin(lines, bytes))
    if (!isComplete && counts !== undefined) addTo(this.#unreported, counts)
    if (counts !== undefined) this.#isReportDue = !isComplete
    this.#note(error)
    if (isComplete) return true
    if (this.#isOpen()) {
      this.#retryTimer = setTimeout(() => {
        this.#retryTimer = undefined
        this.#wake()
      }, turn).unref()
    }
    return false
  }

  /** Returns lines as text. With `withCounts`, appends the counts of dropped lines and resets them. */
  #compose(lines: readonly string[], withCounts: boolean): { text: string; counts: DroppedCounts | undefined } {
    const counts = withCounts ? this.#unreported : undefined
    const all = [...lines]
    if (counts !== undefined) {
      this.#unreported = createCounts()
      all.push(formatLine({ version: 1, type: 'dropped', time: new Date().toISOString(), ...counts }))
    }
    return { text: all.map((line) => `${line}\n`).join(''), counts }
  }

  #countOfChunk(): number {
    let bytes = 0
    const count = this.#lines.findIndex((line) => (bytes += line.length + 1) > mostBytesOfChunk)
    return count === -1 ? this.#lines.length : Math.max(count, 1)
  }

  #remove(count: number): void {
    for (const line of this.#lines.splice(0, count)) this.#bytes -= line.length + ofLine
    this.#isFull = false
  }

  #giveUp(): void {
    this.drop('failed', this.#lines.length)
    this.#remove(this.#lines.length)
  }

  #note(error: Error | undefined): void {
    const isNew = error !== undefined && !this.#isFailing
    this.#isFailing = error !== undefined
    if (!isNew) return
    try {
      ignoreRejection(this.#onError(error))
    } catch {
      // Requests must not depend on the log.
    }
  }
}

type MutableCounts = { -readonly [Cause in keyof DroppedCounts]: number }

function createCounts(): MutableCounts {
  return { rate: 0, queue: 0, failed: 0 }
}

function hasAny({ rate, queue, failed }: DroppedCounts): boolean {
  return rate + queue + failed > 0
}

function addTo(counts: MutableCounts, more: DroppedCounts): void {
  counts.rate += more.rate
  counts.queue += more.queue
  counts.failed += more.failed
}

/** Returns how many of the first lines end within this many bytes. */
function countWithin(lines: readonly string[], bytes: number): number {
  let end = 0
  const count = lines.findIndex((line) => (end += line.length + 1) > bytes)
  return count === -1 ? lines.length : count
}

/** Milliseconds. */
const turn = 1000

/** Bytes. */
const mostBytesOfChunk = 64 * 1024

/** Bytes that a line uses beside its characters: the string header and the slot in the queue. */
const ofLine = 48
