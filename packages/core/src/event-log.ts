import { type CountersignEvent, logToStandardError, publish, writeSafely } from './events.ts'
import { HealthRecord } from './health.ts'
import { LogSummary } from './log-summary.ts'

/**
 * Sends a guard's events to the diagnostics channels, its health record and the log. Events that unauthenticated
 * clients can cause are summarized in the log.
 */
export class EventLog {
  /** The state behind `guard.health()`. */
  readonly health: HealthRecord = new HealthRecord()
  readonly #summary = new LogSummary((event) => writeSafely(this.#log, event))
  readonly #isOwn: boolean
  #log: (event: CountersignEvent) => void

  /** `log` is the application's own log, if it has one. */
  constructor(log: ((event: CountersignEvent) => void) | undefined) {
    this.#isOwn = log !== undefined
    this.#log = log ?? logToStandardError
  }

  /** Reports an event to every destination; see `Reporter`. */
  report(event: CountersignEvent, wasAuthenticated: boolean = false): void {
    // Whether tokens can be verified says nothing about our own certificate.
    if (event.type === 'source' && event.of !== 'jwt-bundle') this.health.note(event)
    if (!publish(event)) return
    if (wasAuthenticated) writeSafely(this.#log, event)
    else this.#summary.note(event)
  }

  /** Sets the framework's logger as the log, unless the application has its own. */
  useDefaultLog(log: (event: CountersignEvent) => void): void {
    if (!this.#isOwn) this.#log = log
  }

  /** Writes the events that were only counted so far. */
  flush(): void {
    this.#summary.flush()
  }
}
