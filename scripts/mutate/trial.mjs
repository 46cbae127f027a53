import { ProcessOfTests } from '../test/process-of-tests.mjs'
import { isFailed } from '../test/results.mjs'

// A test that hangs because of the mutant has detected it too. Most take less than a second.
const variables = { COUNTERSIGN_STOP_AT_FAILURE: '1', COUNTERSIGN_TEST_TIMEOUT: '30000' }

/**
 * Creates the function that applies a mutant to a copy and runs its tests until one fails. The test that kills a mutant
 * must pass without it, otherwise the result is `unclear`.
 */
export function createTrial(copy, signal) {
  // Files that passed without any mutant.
  const sound = new Set()
  return async (mutant, groups) => {
    const start = Date.now()
    const outcome = (more) => ({ ...more, seconds: (Date.now() - start) / 1000 })
    let restore
    try {
      restore = await copy.apply(mutant)
    } catch (error) {
      return outcome({ outcome: 'broken', detail: `it does not compile: ${error.message}` })
    }
    let killer
    try {
      killer = await findKiller(copy.base, groups, signal)
    } finally {
      restore()
    }
    if (killer === undefined) return outcome({ outcome: 'SURVIVED' })
    if (!sound.has(killer)) {
      const failing = await findKiller(copy.base, [[killer]], signal)
      if (failing !== undefined) return outcome({ outcome: 'unclear', detail: `${killer} also fails without it` })
      sound.add(killer)
    }
    return outcome({ outcome: 'killed', killer })
  }
}

/** Returns the first file with a failing test. */
async function findKiller(base, groups, signal) {
  for (const files of groups) {
    if (signal.aborted) return undefined
    const tests = new ProcessOfTests(process.execPath, [], files, { base, variables })
    const abort = () => tests.kill('was interrupted')
    signal.addEventListener('abort', abort)
    const results = await tests.results
    signal.removeEventListener('abort', abort)
    const failed = results.find((result) => result.problem !== undefined || result.tests.some(isFailed))
    if (failed !== undefined) return failed.file
  }
  return undefined
}
