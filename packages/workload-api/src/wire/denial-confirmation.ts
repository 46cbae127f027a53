import type { AgentError } from './agent-error.ts'

/**
 * Decides when a PermissionDenied of the agent counts: at once while nothing was granted, otherwise only once it is
 * confirmed. SPIRE answers it for about 200 ms while `localauthority taint` replaces an authority, and a service that
 * took it at its word would drop its SVID and every connection with it.
 */
export class DenialConfirmation {
  readonly #answerMs: number
  readonly #report: (denial: AgentError) => void
  #isGranted = false
  #pending: { readonly denial: AgentError; readonly deadline: NodeJS.Timeout } | undefined

  /**
   * @param answerMs how long the agent has to take a denial back, in milliseconds
   * @param report receives each denial that counts
   */
  constructor(answerMs: number, report: (denial: AgentError) => void) {
    this.#answerMs = answerMs
    this.#report = report
  }

  /** Notes a usable message, which takes an unconfirmed denial back. */
  grant(): void {
    this.#isGranted = true
    this.#forget()
  }

  /** Takes a denial; returns whether it waits for confirmation, so that the agent has to be asked again. */
  deny(denial: AgentError): boolean {
    if (this.#isGranted && this.#pending === undefined) {
      const deadline = setTimeout(() => this.#count(denial), this.#answerMs)
      this.#pending = { denial, deadline }
      return true
    }
    this.#count(denial)
    return false
  }

  /** Counts an unconfirmed denial now, because the agent will not be asked again. */
  settle(): void {
    if (this.#pending !== undefined) this.#count(this.#pending.denial)
  }

  /** Reports nothing from now on. */
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
