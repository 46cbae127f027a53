import { type CountersignError, SourceError } from '@countersign/spiffe'

/** The wait for the first usable message of a stream, when a source starts. */
export class FirstAnswer {
  #last: CountersignError | undefined
  #settle: (error?: CountersignError) => void = () => undefined

  /** Ends the wait, because a message could be used. */
  arrived(): void {
    this.#settle()
  }

  /** Keeps why there is nothing yet. With `isFinal`, the wait ends here and throws it. */
  failed(error: CountersignError, isFinal: boolean): void {
    this.#last = error
    if (isFinal) this.#settle(error)
  }

  /**
   * Waits until `arrived`.
   *
   * @throws {CountersignError} the final failure, or after `timeoutMs` milliseconds the last one; a SourceError says
   * what was missing: `wanted`, as in `no SVID`
   */
  async wait(wanted: string, timeoutMs: number, endpoint: string): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const error = await new Promise<CountersignError | undefined>((resolve) => {
      this.#settle = resolve
      timer = setTimeout(() => resolve(this.#last ?? nothingHeard(endpoint)), timeoutMs)
    })
    clearTimeout(timer)
    this.#settle = () => undefined
    if (error === undefined) return
    const message = `found ${wanted} within ${timeoutMs} ms: ${error.message}`
    throw error instanceof SourceError
      ? new SourceError(error.code, message, { value: error.value, cause: error })
      : error
  }
}

function nothingHeard(endpoint: string): SourceError {
  return new SourceError('agent_unreachable', `there was no answer from ${endpoint}; is an agent running there?`)
}
