/**
 * `npm run mutate`: removes or inverts one security-relevant condition at a time and runs the tests of its folder, one
 * of which must fail each time. Continues where it was interrupted, and skips mutants that were killed and have not
 * changed since.
 *
 *   npm run mutate -- svid crl          mutants whose file contains one of the words
 *   npm run mutate -- --changed         mutants of files that differ from main; --changed=<revision> from another one
 *   npm run mutate -- --fresh           all mutants again
 *   npm run mutate -- --concurrency=1   one at a time instead of one per processor
 *   npm run mutate -- --list            lists the mutants, and checks that each condition still exists
 */
import { build, fail, install } from './setup.mjs'
import { runMutants } from './mutate/run-mutants.mjs'
import { selectMutants } from './mutate/select-mutants.mjs'
import { compileTests } from './test/compile-tests.mjs'

install()
build()
const { mutants, isFresh, isList, concurrency } = selectMutants(process.argv.slice(2))
if (mutants.length === 0) fail('No mutant is selected.')
if (isList) {
  for (const { file, find } of mutants) process.stdout.write(`${file}: ${find}\n`)
  process.stdout.write(`${mutants.length} mutants\n`)
} else {
  await compileTests()
  process.exitCode = await runMutants(mutants, { isFresh, concurrency })
}
