import { compiledPath } from './compile-tests.mjs'

/**
 * The result of each file that a process ran: its tests in the order in which they finished, its duration, and its
 * problem if something other than a test failed. `problem` is that of the process, and belongs to the file that was
 * running. A file that was not started has no result.
 */
export function readResults(files, { text, problem, output, start, end }) {
  const events = readEvents(text)
  const results = new Map()
  let current
  let at = start
  let cpu = 0
  for (const event of events) {
    if (event.type === 'file:start') {
      const file = files.find((candidate) => event.path.endsWith(compiledPath(candidate, '')))
      current = { file, tests: [], seconds: 0, cpu: 0, problem: undefined, output: '' }
      results.set(event.path, current)
    }
    if (event.type === 'file:end') {
      current.seconds = (event.at - at) / 1000
      at = event.at
    }
    if (event.cpu !== undefined && current !== undefined) {
      current.cpu += event.cpu - cpu
      cpu = event.cpu
    }
    if (event.type === 'stray' && current !== undefined) current.problem = event.message
  }
  assignTests(events, results)

  for (const { type, path, isReported } of events) {
    const result = results.get(path)
    if (type === 'file:end' && isReported && result.tests.length === 0) result.problem ??= 'reported none of its tests'
  }
  // The time until a process exits counts for its last file.
  if (current !== undefined) current.seconds += (end - at) / 1000
  const found = [...results.values()]
  const failed = found.some(({ tests }) => tests.some(isFailed))
  // A process with a failed test exits with 1.
  if (problem !== undefined && !(failed && problem === 'exited with 1')) {
    if (current === undefined) {
      current = { file: files[0], tests: [], seconds: (end - start) / 1000, cpu: 0, problem: undefined, output: '' }
      found.push(current)
    }
    current.problem ??= [problem, describeUnfinished(events), describeLeft(events, found)].filter(Boolean).join('; ')
  }
  for (const result of found) if (result.problem !== undefined || result.tests.some(isFailed)) result.output = output
  return found
}

/** Returns whether every file of a process has finished, so that it has nothing left to do. */
export function areAllEnded(files, text) {
  return readEvents(text).filter(({ type }) => type === 'file:end').length === files.length
}

function readEvents(text) {
  const lines = text.split('\n')
  // After the last line break there is nothing, or a partial line of a process that was killed.
  return lines.slice(0, -1).map((line) => JSON.parse(line))
}

function describeUnfinished(events) {
  const running = []
  for (const { type, name, nesting } of events) {
    if (nesting === 0) continue
    if (type === 'test:dequeue') running.push({ name, nesting })
    if (type !== 'test:complete') continue
    const index = running.findIndex((test) => test.name === name && test.nesting === nesting)
    if (index !== -1) running.splice(index, 1)
  }
  return running.length === 0 ? undefined : `running: ${running.map(({ name }) => JSON.stringify(name)).join(', ')}`
}

function describeLeft(events, results) {
  const left = events.find(({ type }) => type === 'left')
  if (left === undefined) return undefined
  const where = results.length > 1 ? `, of one of ${results.map(({ file }) => file).join(', ')}` : ''
  return `still there: ${left.resources.join(', ')}${where}`
}

// The suite of a file is reported after its subtests, and all of it after the end of the file.
function assignTests(events, results) {
  let waiting = []
  let last
  for (const event of events) {
    if (event.type === 'file:start') last = results.get(event.path)
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue
    const test = { ...event, nesting: event.nesting - 1 }
    if (event.nesting > 0) {
      waiting.push(test)
      continue
    }
    const result = results.get(event.name)
    result?.tests.push(...waiting)
    // A failure of the suite itself, and not of a test, is a failure of its hooks.
    const isOwnFault = event.type === 'test:fail' && event.failureType !== 'subtestsFailed'
    if (isOwnFault) result?.tests.push({ ...test, nesting: 0, name: 'before and after the tests', kind: 'test' })
    waiting = []
  }
  // For a file that was killed, the tests that had finished.
  last?.tests.push(...waiting)
}

export function isFailed(test) {
  return test.type === 'test:fail' && !test.todo
}
