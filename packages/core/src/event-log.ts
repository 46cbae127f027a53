import { type CountersignEvent, logToStandardError, publish, writeSafely } from './events.ts'
import { HealthRecord } from './health.ts'
import { LogSummary } from './log-summary.ts'

/** Where the events of a guard go: the channels, its health, and the log, where those that strangers cause are summarised. */
export class EventLog {
  /** What a health route asks for. */
  readonly health: HealthRecord = new HealthRecord()
  readonly #summary = new LogSummary((event) => writeSafely(this.#log, event))
  readonly #isOwn: boolean
  #log: (event: CountersignEvent) => void

  /** Takes the application's own log, if it has one. */
  constructor(log: ((event: CountersignEvent) => void) | undefined) {
    this.#isOwn = log !== undefined
    this.#log = log ?? logToStandardError
  }

  /** Reports an event everywhere; see `Reporter`. */
  report(event: CountersignEvent, wasAuthenticated: boolean = false): void {
    if (event.type === 'source') this.health.note(event)
    if (!publish(event)) return
    if (wasAuthenticated) writeSafely(this.#log, event)
    else this.#summary.note(event)
  }

  /** The log of the framework, used unless the application has its own. */
  useDefaultLog(log: (event: CountersignEvent) => void): void {
    if (!this.#isOwn) this.#log = log
  }

  /** Writes what was only counted so far. */
  flush(): void {
    this.#summary.flush()
  }
}
