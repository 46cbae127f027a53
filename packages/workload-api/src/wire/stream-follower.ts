import { type EndpointAddress, formatEndpoint } from '../endpoint/endpoint-address.ts'
import { AgentError } from './agent-error.ts'
import { Backoff } from './backoff.ts'
import { DenialConfirmation } from './denial-confirmation.ts'
import type { WorkloadMethod, WorkloadService } from './service.ts'
import { WorkloadStub } from './workload-stub.ts'

/** What a follower follows, and whom it tells. */
export interface FollowerOptions {
  readonly address: EndpointAddress
  readonly service: WorkloadService
  readonly method: WorkloadMethod
  /** Receives each message; returns whether it could be used. */
  readonly onMessage: (value: unknown) => boolean
  /** Receives each failure; after a final one there are no further attempts. A denial comes here once it counts. */
  readonly onFailure: (error: AgentError) => void
  /** The longest time between two attempts, in milliseconds. */
  readonly maxRetryMs: number
  /** How long an open stream may be without its first message, in milliseconds. Default 30,000: it comes at once. */
  readonly mostSilenceMs?: number
  /** How long after a denial of what was granted before the agent is asked again, in milliseconds. Default 1,000. */
  readonly denialRetryMs?: number
  /** How long the agent has to take such a denial back, in milliseconds. Default 5,000. */
  readonly denialAnswerMs?: number
}

/**
 * Keeps a stream of the agent open: opens it again at once when the agent ends one that has lasted, after a while when it
 * fails or ends early, and never when the failure is final (SPIFFE Workload API §4.2, Workload Endpoint §6). A denial of
 * what was granted before is reported once it is confirmed: when the agent, asked once more, denies it again or does not
 * take it back in time.
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
    // An agent that ends each stream as soon as it is open would else be asked in a circle.
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
    // §5.2.1: the first message comes at once. An agent that takes the call and says nothing is none.
    const silence = setTimeout(() => {
      cancel()
      const details = `the stream is open for ${mostSilenceMs} ms without a message`
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
