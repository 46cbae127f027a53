import { compiledPath } from './compile-tests.mjs'

/**
 * What came of each file that a process ran: its tests, in the order in which they ended, its duration, and its problem
 * where something else than a test went wrong. `problem` is that of the process, and belongs to the file that it was at;
 * if all tests had passed, then to its last file.
 */
export function readResults(files, { text, problem, output, start, end }) {
  const results = files.map((file) => ({
    file,
    tests: [],
    seconds: 0,
    cpu: 0,
    problem: undefined,
    output: '',
    started: false,
  }))
  const find = (path) => results.find(({ file }) => compiledPath(file) === path)
  let events = text.split('\n').filter((line) => line !== '')
  // The last line of a process that was killed may be half a line.
  if (!text.endsWith('\n')) events = events.slice(0, -1)
  events = events.map((line) => JSON.parse(line))

  let current
  let at = start
  let cpu = 0
  for (const event of events) {
    if (event.type === 'file:start') {
      current = find(event.path)
      current.started = true
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
  assignTests(events, find, current)

  // How long a process takes to end counts for its last file.
  if (current !== undefined) current.seconds += (end - at) / 1000
  const failed = results.some(({ tests }) => tests.some(isFailed))
  for (const result of results) if (!result.started) result.problem = 'was not run: the process ended before'
  // A process in which a test failed ends with 1.
  if (problem !== undefined && !(failed && problem === 'ended with 1')) {
    ;(current ?? results[0]).problem ??= [problem, describeUnfinished(events)].filter(Boolean).join('; ')
  }
  for (const result of results) if (result.problem !== undefined || result.tests.some(isFailed)) result.output = output
  return results
}

function describeUnfinished(events) {
  const running = []
  for (const { type, name, nesting } of events) {
    if (type === 'test:dequeue') running.push({ name, nesting })
    if (type !== 'test:complete') continue
    const index = running.findIndex((test) => test.name === name && test.nesting === nesting)
    if (index !== -1) running.splice(index, 1)
  }
  return running.length === 0 ? undefined : `running: ${running.map(({ name }) => JSON.stringify(name)).join(', ')}`
}

// Tests are told apart by their number at the top: the events of a file's tests come a little later than its end.
function assignTests(events, find, last) {
  const ends = []
  let count = 0
  for (const event of events) {
    if (event.type !== 'file:end') continue
    count += event.topLevelTests
    ends.push({ count, result: find(event.path) })
  }
  let waiting = []
  for (const event of events) {
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue
    waiting.push(event)
    if (event.nesting > 0) continue
    const result = ends.find((end) => event.testNumber <= end.count)?.result ?? last
    result?.tests.push(...waiting)
    waiting = []
  }
  // Of a test that was killed, the parts that had ended.
  last?.tests.push(...waiting)
}

export function isFailed(test) {
  return test.type === 'test:fail' && !test.todo
}
