import type { AuthorizerQuestion } from '@countersign/authorization'
import { describeThrown } from '@countersign/spiffe/options'
import { type AuthorizerVerdict, createFailure, parseAnswer } from './answer.ts'
import { AnswerCache, type KeyContext, type Moment } from './answer-cache.ts'
import type { ParsedAuthorizer } from './authorizer.ts'
import { CallsInFlight } from './calls-in-flight.ts'

/** Calls an authorizer, with a timeout and a limit of calls in flight. The result is always a verdict. */
export class AuthorizerCalls {
  readonly #authorizer: ParsedAuthorizer
  readonly #inFlight: CallsInFlight
  readonly #cache: AnswerCache | undefined
  readonly #clock: () => Moment

  constructor(authorizer: ParsedAuthorizer, clock: () => Moment = readClocks) {
    this.#authorizer = authorizer
    this.#inFlight = new CallsInFlight(authorizer)
    this.#cache = authorizer.cache === undefined ? undefined : new AnswerCache(authorizer.cache)
    this.#clock = clock
  }

  /**
   * Asks a question. Returns a promise only if the authorizer returned one; it is never rejected. `departed` is aborted
   * when the caller disconnects; the result is then ignored. Never throws.
   */
  ask(
    question: AuthorizerQuestion,
    context: KeyContext,
    departed: AbortSignal,
  ): AuthorizerVerdict | Promise<AuthorizerVerdict> {
    const cache = this.#cache
    if (cache === undefined) return this.#call(question, departed, this.#clock())
    const key = cache.createKey(question, context)
    if (key === undefined) return createFailure('the key of its cache is not a list of strings')
    const now = this.#clock()
    const kept = cache.find(key, now)
    if (kept !== undefined) return kept
    const verdict = this.#call(question, departed, now)
    const keep = (settled: AuthorizerVerdict): AuthorizerVerdict => {
      cache.keep(key, settled, now)
      return settled
    }
    return verdict instanceof Promise ? verdict.then(keep) : keep(verdict)
  }

  #call(
    question: AuthorizerQuestion,
    departed: AbortSignal,
    now: Moment,
  ): AuthorizerVerdict | Promise<AuthorizerVerdict> {
    const { decide, timeout } = this.#authorizer
    const end = this.#inFlight.begin(question.principal?.name ?? null)
    if (typeof end === 'string') return createFailure(end)
    const limit = new AbortController()
    const signal = AbortSignal.any([limit.signal, departed])
    try {
      const answer: unknown = decide(question, { signal })
      if (isThenable(answer)) return this.#wait(answer, { end, limit, departed })
      end()
      // A blocking function cannot be interrupted, but a late answer does not count.
      return this.#clock().steady - now.steady > timeout ? this.#createTimeout() : parseAnswer(answer)
    } catch (error) {
      end()
      return createFailure(`it threw: ${describeFailure(error)}`)
    }
  }

  // A call counts until it settles or times out. If a disconnect ended it, a caller that disconnects at once could
  // start any number of calls.
  #wait(answer: PromiseLike<unknown>, { end, limit, departed }: Waiting): Promise<AuthorizerVerdict> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        end()
        resolve(this.#createTimeout())
        limit.abort(new DOMException('the call timed out', 'TimeoutError'))
      }, this.#authorizer.timeout)
      const settle = (verdict: AuthorizerVerdict): void => {
        clearTimeout(timer)
        end()
        resolve(verdict)
      }
      // Wrapped in a promise, because a thenable may call both functions, or throw.
      const settled = new Promise<unknown>((adopt) => adopt(answer))
      settled.then(
        (value) => settle(parseAnswer(value)),
        (error: unknown) => settle(createFailure(`it failed: ${describeFailure(error)}`)),
      )
      const depart = (): void => {
        // The call still counts, but must not keep the process alive.
        timer.unref()
        resolve(departure)
      }
      if (departed.aborted) depart()
      else departed.addEventListener('abort', depart, { once: true })
    })
  }

  #createTimeout(): AuthorizerVerdict {
    return createFailure(`it did not answer within ${this.#authorizer.timeout} ms`)
  }
}

interface Waiting {
  readonly end: () => void
  readonly limit: AbortController
  readonly departed: AbortSignal
}

// Reading `then` may throw, which counts as a failure of the authorizer.
function isThenable(value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  return typeof Reflect.get(value, 'then') === 'function'
}

// Engines in WebAssembly throw strings.
function describeFailure(error: unknown): string {
  if (typeof error === 'string') return error
  try {
    return describeThrown(error)
  } catch {
    return 'a value that cannot be read'
  }
}

function readClocks(): Moment {
  return { wall: Date.now(), steady: performance.now() }
}

const departure = createFailure('its caller disconnected')
