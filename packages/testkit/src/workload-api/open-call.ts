import { setTimeout as sleep } from 'node:timers/promises'
import type { WorkloadMethod } from '@countersign/workload-api/wire'
import type { Answer, RefusalStatus } from './answer.ts'

/** The request of a call, for every method. Fields that the method does not have are absent. */
export interface WorkloadRequest {
  readonly audience?: string | readonly string[]
  readonly spiffe_id?: string
  readonly svid?: string
}

/** The connection to the caller. */
export interface CallWire {
  readonly write: (message: object) => void
  readonly end: () => void
  readonly refuse: (status: RefusalStatus, details: string) => void
}

/** The content of a call. */
export interface CallFacts {
  readonly method: WorkloadMethod
  readonly request: WorkloadRequest
  /** True if the metadata `workload.spiffe.io: true` was sent. */
  readonly hasHeader: boolean
  /** True if the method answers with a stream of messages. */
  readonly isStream: boolean
}

/** A call that waits for its answer, or a stream that waits for its next message. */
export class OpenCall {
  readonly facts: CallFacts
  readonly #wire: CallWire
  readonly #over = new AbortController()
  #last: Promise<void> = Promise.resolve()

  constructor(facts: CallFacts, wire: CallWire) {
    this.facts = facts
    this.#wire = wire
  }

  /**
   * Sends an answer after all earlier ones, so that it cannot overtake a slow one. Answers after the end are dropped.
   */
  deliver(answer: Answer): void {
    this.#last = this.#last.then(() => this.#send(answer))
  }

  /** Drops everything still to be sent, without notifying the caller. */
  drop(): void {
    this.#over.abort()
  }

  /** True once nothing more can be sent. */
  get isOver(): boolean {
    return this.#over.signal.aborted
  }

  /** Calls back once, when nothing more can be sent. */
  onOver(listener: () => void): void {
    this.#over.signal.addEventListener('abort', listener, { once: true })
  }

  async #send(answer: Answer): Promise<void> {
    const { signal } = this.#over
    // Rejects if the call is dropped, which the next line checks.
    if (answer.delayMs !== undefined && !signal.aborted) {
      await sleep(answer.delayMs, undefined, { signal }).catch(() => undefined)
    }
    if (signal.aborted || answer.kind === 'silence') return
    const isLast = !this.facts.isStream || answer.kind === 'end' || answer.kind === 'refusal'
    if (isLast) this.#over.abort()
    if (answer.kind === 'end') this.#wire.end()
    else if (answer.kind === 'refusal') this.#wire.refuse(answer.status, answer.details)
    else this.#wire.write(answer.kind === 'bytes' ? answer.bytes : answer.message)
  }
}
