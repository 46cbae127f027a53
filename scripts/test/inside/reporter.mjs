import { inspect } from 'node:util'
import { writeEvent } from './write-event.mjs'

const stopAtFailure = process.env.COUNTERSIGN_STOP_AT_FAILURE === '1'

/** A reporter for node:test: each finished test becomes an event. */
// eslint-disable-next-line import/no-default-export -- that is what --test-reporter loads
export default async function* report(source) {
  for await (const { type, data } of source) {
    // These two are reported immediately, the others in the order of the file.
    if (type === 'test:dequeue' || type === 'test:complete') {
      writeEvent({ type, name: data.name, nesting: data.nesting, passed: data.details?.passed })
    }
    // For runs that only need the overall result.
    if (type === 'test:complete' && data.details.passed === false && !data.todo && stopAtFailure) process.exit(1)
    // Node.js 20 reports the tests that --test-name-pattern excludes as skipped.
    if (data.skip === 'test name does not match pattern') continue
    if (type === 'test:pass' || type === 'test:fail') writeEvent(describeTest(type, data))
    if (type === 'test:diagnostic' && data.message.startsWith('Error: ')) {
      writeEvent({ type: 'stray', message: data.message })
    }
  }
  yield ''
}

function describeTest(type, { name, nesting, testNumber, skip, todo, details }) {
  const base = { type, name, nesting, testNumber, skip, todo, kind: details.type, duration: details.duration_ms }
  const error = details.error
  if (type === 'test:pass' || error === undefined) return base
  const { failureType, cause } = error
  return { ...base, failureType, error: describeError(cause ?? error) }
}

function describeError(error) {
  if (!(error instanceof Error)) return String(error)
  // Frames of the test runner and of the event loop are the same for every failure.
  return inspect(error).replaceAll(/^ +at .*node:(?:internal\/|async_hooks).*\n(?= +at |$)/gm, '')
}
