import { availableParallelism } from 'node:os'
import { ProcessOfTests, removeEvents } from './process-of-tests.mjs'

/**
 * Runs each group of files in a separate process, several at once, and resolves after all of them. `concurrency` is
 * twice the number of processors by default, because most tests spend half of the time waiting.
 */
export async function runGroups(groups, { node, flags, concurrency = 2 * availableParallelism(), signal, onResult }) {
  const waiting = [...groups]
  const running = new Set()
  signal.addEventListener('abort', () => {
    waiting.length = 0
    for (const tests of running) tests.kill('was interrupted')
  })
  const work = async () => {
    for (let group = waiting.shift(); group !== undefined; group = waiting.shift()) {
      const tests = new ProcessOfTests(node, flags, group)
      running.add(tests)
      const results = await tests.results
      running.delete(tests)
      results.forEach(onResult)
      // If the process was killed or crashed, run the files that it had not started in another one.
      const rest = group.filter((file) => !results.some((result) => result.file === file))
      if (rest.length > 0 && !signal.aborted) waiting.unshift(rest)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, work))
  removeEvents()
}
