/**
 * `npm run mutate`: removes or inverts one security-relevant condition after the other and runs the tests of its folder,
 * one of which has to fail each time. Goes on where it was interrupted, and skips what has not changed since it was
 * killed.
 *
 *   npm run mutate -- svid crl       those whose file contains one of the words
 *   npm run mutate -- --changed      those of files that differ from main; --changed=<revision> from another one
 *   npm run mutate -- --fresh        all of them again
 *   npm run mutate -- --concurrency=1   one at a time instead of one for each processor
 *   npm run mutate -- --list         says what would be run, and checks that each condition is still there
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
