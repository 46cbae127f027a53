import { appendFileSync } from 'node:fs'

const file = process.env.COUNTERSIGN_TEST_EVENTS
// Programs that a test starts have nothing to report.
delete process.env.COUNTERSIGN_TEST_EVENTS

/**
 * Appends an event as a line to the file that the parent process reads. Synchronously, because a process may be killed.
 */
export function writeEvent(event) {
  appendFileSync(file, `${JSON.stringify(event)}\n`)
}
