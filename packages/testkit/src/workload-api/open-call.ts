import { setTimeout as sleep } from 'node:timers/promises'
import type { WorkloadMethod } from '@countersign/workload-api/wire'
import type { Answer, RefusalStatus } from './answer.ts'

/** What the caller asked, of whatever method: a field that the method does not have is not there. */
export interface WorkloadRequest {
  readonly audience?: string | readonly string[]
  readonly spiffe_id?: string
  readonly svid?: string
}

/** The calling end of the wire. */
export interface CallWire {
  readonly write: (message: object) => void
  readonly end: () => void
  readonly refuse: (status: RefusalStatus, details: string) => void
}

/** What a call came with. */
export interface CallFacts {
  readonly method: WorkloadMethod
  readonly request: WorkloadRequest
  /** Whether the metadata `workload.spiffe.io: true` was there. */
  readonly hasHeader: boolean
  /** Whether the method answers with a stream of messages. */
  readonly isStream: boolean
}

/** A call that waits for its answer, or a stream for its next one. */
export class OpenCall {
  readonly facts: CallFacts
  readonly #wire: CallWire
  readonly #over = new AbortController()
  #last: Promise<void> = Promise.resolve()

  constructor(facts: CallFacts, wire: CallWire) {
    this.facts = facts
    this.#wire = wire
  }

  /** Answers after all earlier answers, so that a slow one is not overtaken; what comes after the end is dropped. */
  deliver(answer: Answer): void {
    this.#last = this.#last.then(() => this.#send(answer))
  }

  /** Forgets what was still to be sent; the wire is told nothing. */
  drop(): void {
    this.#over.abort()
  }

  /** Whether nothing can be sent any more. */
  get isOver(): boolean {
    return this.#over.signal.aborted
  }

  /** Calls back once, when nothing can be sent any more. */
  onOver(listener: () => void): void {
    this.#over.signal.addEventListener('abort', listener, { once: true })
  }

  async #send(answer: Answer): Promise<void> {
    const { signal } = this.#over
    // It rejects when the call is dropped, which the next line notices.
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
