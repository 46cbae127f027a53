/**
 * `npm run test:long`: the tests that do more when they have the time, in their full form: those that ask
 * `test/support/long.ts`. Words choose among their files, flags are as for `npm test`.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { build, install, root } from './setup.mjs'
import { selectFiles } from './test/select-files.mjs'

install()
build()
// Before what reads it is loaded: the limits of tests depend on it, too.
process.env.COUNTERSIGN_LONG_TESTS = '1'
const { runTests } = await import('./test/run-tests.mjs')
const { files, flags } = selectFiles(process.argv.slice(2), (file) =>
  readFileSync(join(root, file), 'utf8').includes("from '../support/long.ts'"),
)
process.exitCode = await runTests([...files, ...flags])
