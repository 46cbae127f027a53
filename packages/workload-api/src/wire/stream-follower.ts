import { type EndpointAddress, formatEndpoint } from '../endpoint/endpoint-address.ts'
import { AgentError } from './agent-error.ts'
import { Backoff } from './backoff.ts'
import { DenialConfirmation } from './denial-confirmation.ts'
import type { WorkloadMethod, WorkloadService } from './service.ts'
import { WorkloadStub } from './workload-stub.ts'

/** The stream to follow, and the callbacks. */
export interface FollowerOptions {
  readonly address: EndpointAddress
  readonly service: WorkloadService
  readonly method: WorkloadMethod
  /** Receives each message. Returns whether it could be used. */
  readonly onMessage: (value: unknown) => boolean
  /** Receives each failure. After a final one there are no further attempts. Receives a denial once it takes effect. */
  readonly onFailure: (error: AgentError) => void
  /** The maximum delay between two attempts, in milliseconds. */
  readonly maxRetryMs: number
  /**
   * How long an open stream may wait for its first message, in milliseconds. Default 30,000, because an agent sends it
   * immediately.
   */
  readonly mostSilenceMs?: number
  /** The delay before asking the agent again after it denies what it had granted, in milliseconds. Default 1,000. */
  readonly denialRetryMs?: number
  /** How long the agent has to revert such a denial, in milliseconds. Default 5,000. */
  readonly denialAnswerMs?: number
}

/**
 * Keeps a stream of the agent open (SPIFFE Workload API §4.2, Workload Endpoint §6). Reopens it immediately if the
 * agent ends a stream that has lasted, or after a delay if it fails or ends early. Never reopens it after a final
 * failure. A denial of what was granted before is reported once it is confirmed: if the agent denies it again on the
 * next attempt or does not revert it in time.
 */
export class StreamFollower {
  readonly #options: FollowerOptions
  readonly #backoff: Backoff
  readonly #denials: DenialConfirmation
  #stop: () => void = () => undefined
  #isClosed = false

  constructor(options: FollowerOptions) {
    this.#options = options
    this.#backoff = new Backoff(Math.min(leastRetryMs, options.maxRetryMs), options.maxRetryMs)
    this.#denials = new DenialConfirmation(options.denialAnswerMs ?? 5000, options.onFailure)
    this.#open()
  }

  close(): void {
    this.#isClosed = true
    this.#stop()
    this.#denials.close()
  }

  #open(): void {
    if (this.#isClosed) return
    const { address, service, method, onMessage, onFailure } = this.#options
    const { mostSilenceMs = 30_000, denialRetryMs = 1000 } = this.#options
    const stub = new WorkloadStub(address, service)
    const openedAt = performance.now()
    let wasHeard = false
    // Otherwise an agent that ends each stream right after opening would be called in a busy loop.
    const hasLasted = (): boolean => {
      stub.close()
      if (!wasHeard || performance.now() - openedAt < leastRetryMs) return false
      this.#backoff.reset()
      return true
    }
    const fail = (error: AgentError): void => {
      clearTimeout(silence)
      hasLasted()
      if (error.code === 'agent_denied') {
        const isUnconfirmed = this.#denials.deny(error)
        this.#openAfter(isUnconfirmed ? denialRetryMs : this.#backoff.next())
        return
      }
      if (error.isFinal) this.#denials.settle()
      onFailure(error)
      if (!error.isFinal) this.#openAfter(this.#backoff.next())
    }
    const cancel = stub.watch(
      method,
      {},
      {
        message: (value) => {
          clearTimeout(silence)
          wasHeard = true
          if (onMessage(value)) this.#denials.grant()
        },
        end: () => {
          clearTimeout(silence)
          this.#openAfter(hasLasted() ? 0 : this.#backoff.next())
        },
        fail,
      },
    )
    // §5.2.1: the agent sends the first message immediately. An agent that accepts the call but sends nothing counts as
    // unreachable.
    const silence = setTimeout(() => {
      cancel()
      const details = `the stream has been open for ${mostSilenceMs} ms without a message`
      fail(new AgentError({ method, code: 'DEADLINE_EXCEEDED', details, endpoint: formatEndpoint(address) }))
    }, mostSilenceMs)
    this.#stop = () => {
      clearTimeout(silence)
      cancel()
      stub.close()
    }
  }

  #openAfter(milliseconds: number): void {
    if (this.#isClosed) return
    const timer = setTimeout(() => this.#open(), milliseconds)
    this.#stop = () => clearTimeout(timer)
  }
}

const leastRetryMs = 250
