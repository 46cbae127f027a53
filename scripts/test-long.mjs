/**
 * `npm run test:long`: the full form of the tests that are shortened by default, which are those that import
 * `test/support/long.ts`. Words select among their files; flags are as for `npm test`.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { build, install, root } from './setup.mjs'
import { selectFiles } from './test/select-files.mjs'

install()
build()
// Set before the modules that read it are loaded: the limits of tests also depend on it.
process.env.COUNTERSIGN_LONG_TESTS = '1'
const { runTests } = await import('./test/run-tests.mjs')
const { files, flags } = selectFiles(process.argv.slice(2), (file) =>
  readFileSync(join(root, file), 'utf8').includes("from '../support/long.ts'"),
)
process.exitCode = await runTests([...files, ...flags])
