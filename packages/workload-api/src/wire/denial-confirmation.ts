import type { AgentError } from './agent-error.ts'

/**
 * Decides when a PermissionDenied of the agent takes effect: immediately if nothing was granted yet, otherwise only
 * after it is confirmed. SPIRE returns it for about 200 ms while `localauthority taint` replaces an authority. Without
 * confirmation, a service would drop its SVID and close all its connections.
 */
export class DenialConfirmation {
  readonly #answerMs: number
  readonly #report: (denial: AgentError) => void
  #isGranted = false
  #pending: { readonly denial: AgentError; readonly deadline: NodeJS.Timeout } | undefined

  /**
   * @param answerMs how long the agent has to revert a denial, in milliseconds
   * @param report receives each denial that takes effect
   */
  constructor(answerMs: number, report: (denial: AgentError) => void) {
    this.#answerMs = answerMs
    this.#report = report
  }

  /** Records a usable message, which reverts an unconfirmed denial. */
  grant(): void {
    this.#isGranted = true
    this.#forget()
  }

  /** Records a denial. Returns true if it waits for confirmation, so that the caller must ask the agent again. */
  deny(denial: AgentError): boolean {
    if (this.#isGranted && this.#pending === undefined) {
      const deadline = setTimeout(() => this.#count(denial), this.#answerMs)
      this.#pending = { denial, deadline }
      return true
    }
    this.#count(denial)
    return false
  }

  /** Makes an unconfirmed denial take effect now, because there will be no further attempt. */
  settle(): void {
    if (this.#pending !== undefined) this.#count(this.#pending.denial)
  }

  /** Stops all reports. */
  close(): void {
    this.#forget()
  }

  #count(denial: AgentError): void {
    this.#forget()
    this.#isGranted = false
    this.#report(denial)
  }

  #forget(): void {
    clearTimeout(this.#pending?.deadline)
    this.#pending = undefined
  }
}
