import { compileTests } from './compile-tests.mjs'
import { readDurations, sortByDuration, writeDurations } from './durations.mjs'
import { groupFiles } from './group-files.mjs'
import { Report } from './report.mjs'
import { runGroups } from './run-groups.mjs'
import { selectFiles } from './select-files.mjs'
import { fail } from '../setup.mjs'

/** Runs the tests that the arguments select under the given Node.js and resolves to the exit code. */
export async function runTests(given, node = process.execPath) {
  const { files, flags } = selectFiles(given)
  const { concurrency, others } = readFlags(flags)
  await compileTests()

  const durations = readDurations()
  const groups = sortByDuration(groupFiles(files, durations), durations)
  const report = new Report(files.length, files.length <= 3)
  const interruption = new AbortController()
  const interrupt = () => interruption.abort()
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt)
  await runGroups(groups, {
    node,
    flags: others,
    concurrency,
    signal: interruption.signal,
    onResult: (result) => {
      durations.set(result.file, Number(result.seconds.toFixed(2)))
      report.add(result)
    },
  })
  process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  // The duration of a partial run, or of tests in their long form, is not comparable.
  const isShort = process.env.COUNTERSIGN_LONG_TESTS !== '1'
  const whole = isShort && others.every((flag) => !flag.startsWith('--test-')) && !interruption.signal.aborted
  if (whole) writeDurations(durations)
  const passed = report.end(interruption.signal.aborted)
  if (interruption.signal.aborted) return 130
  return passed ? 0 : 1
}

function readFlags(flags) {
  const name = '--test-concurrency='
  const refused = flags.find((flag) => /^--(?:test-reporter|test-isolation|test$|watch)/.test(flag))
  if (refused !== undefined) {
    fail(
      `${refused} does not work with npm test. For one file: node --import tsx --test ${refused} test/<folder>/<name>.test.ts`,
    )
  }
  const concurrency = flags.findLast((flag) => flag.startsWith(name))?.slice(name.length)
  if (concurrency !== undefined && !/^[1-9]\d*$/.test(concurrency))
    fail(`${name} expects a number, found ${concurrency}.`)
  return {
    concurrency: concurrency === undefined ? undefined : Number(concurrency),
    others: flags.filter((flag) => !flag.startsWith(name)),
  }
}
