import { isFailed } from './results.mjs'

/** Prints a line for each finished file, and at the end all failures and the counts. */
export class Report {
  #results = []
  #total
  #names
  #start = Date.now()

  /** `names`: also prints a line for each test. */
  constructor(total, names) {
    this.#total = total
    this.#names = names
  }

  add(result) {
    this.#results.push(result)
    const counts = countTests([result])
    const verdict = isBad(result) ? 'FAIL' : 'ok'
    const place = `${String(this.#results.length).padStart(String(this.#total).length)}/${this.#total}`
    const time = `${result.seconds.toFixed(1)} s (${result.cpu.toFixed(1)} s CPU)`
    const numbers = `${counts.tests} tests${counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''}`
    print(`[${place}] ${verdict.padEnd(4)} ${result.file}  ${time}  ${numbers}`)
    if (this.#names) for (const test of inOrder(result.tests)) print(describeTest(test))
  }

  /** Prints the failures in full and the counts. Returns whether all files ran and nothing failed. */
  end(interrupted) {
    const bad = this.#results.filter(isBad)
    if (bad.length > 0) print('\nfailing tests:')
    for (const result of bad) printFailures(result)
    const counts = countTests(this.#results)
    const missing = this.#total - this.#results.length
    if (interrupted) print(`\nInterrupted: ${missing} of ${this.#total} files were not run.`)
    print('')
    for (const [name, count] of Object.entries(counts)) print(`# ${name} ${count}`)
    print(`# files ${this.#total}`)
    print(`# duration_ms ${Date.now() - this.#start}`)
    print(`# cpu_ms ${Math.round(1000 * this.#results.reduce((sum, { cpu }) => sum + cpu, 0))}`)
    return bad.length === 0 && missing === 0 && !interrupted
  }
}

function isBad({ problem, tests }) {
  return problem !== undefined || tests.some(isFailed)
}

/** A file that fails outside of its tests counts as a failed test, so that the counts include it. */
function countTests(results) {
  const counts = { tests: 0, pass: 0, fail: 0, cancelled: 0, skipped: 0, todo: 0 }
  for (const { tests, problem } of results) {
    for (const test of tests) if (test.kind !== 'suite') counts[outcome(test)] += 1
    if (problem !== undefined) counts.fail += 1
  }
  counts.tests = counts.pass + counts.fail + counts.cancelled + counts.skipped + counts.todo
  return counts
}

function outcome({ type, skip, todo, failureType }) {
  if (skip !== undefined) return 'skipped'
  if (todo !== undefined) return 'todo'
  if (type === 'test:pass') return 'pass'
  return failureType === 'cancelledByParent' ? 'cancelled' : 'fail'
}

function printFailures({ file, tests, problem, output }) {
  print(`\n${file}`)
  for (const { test, path } of withPaths(tests)) {
    // If a test failed because of a subtest, only the subtest is reported.
    if (!isFailed(test) || test.failureType === 'subtestsFailed') continue
    print(`\n✖ ${path.join(' › ')} (${test.duration.toFixed(0)} ms)`)
    print(indent(test.error))
  }
  if (problem !== undefined) print(`\n✖ ${file} ${problem}`)
  if (output.trim() !== '') print(`\n  Output of the process:\n${indent(output.trimEnd())}`)
}

/** Tests follow their subtests; returns each with the path of names to it. */
function withPaths(tests) {
  const above = []
  const found = []
  for (const test of tests.toReversed()) {
    above.length = test.nesting
    above.push(test.name)
    found.unshift({ test, path: above.slice(0, test.nesting + 1) })
  }
  return found
}

/** Parents before their subtests, for reading. */
function inOrder(tests) {
  const result = []
  let waiting = []
  for (const test of tests) {
    const parts = waiting.filter(({ nesting }) => nesting > test.nesting)
    waiting = [...waiting.filter(({ nesting }) => nesting <= test.nesting), test, ...parts]
    if (test.nesting > 0) continue
    result.push(...waiting)
    waiting = []
  }
  return [...result, ...waiting]
}

function describeTest(test) {
  const sign = isFailed(test) ? '✖' : test.skip === undefined ? '✔' : '﹣'
  return `${'  '.repeat(test.nesting + 1)}${sign} ${test.name} (${test.duration.toFixed(0)} ms)`
}

function indent(text) {
  return text.replaceAll(/^(?=.)/gm, '  ')
}

function print(line) {
  process.stdout.write(`${line}\n`)
}
