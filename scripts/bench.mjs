/**
 * `npm run bench`: what Countersign costs, side by side with the same programs without it. Runs what was compiled: a
 * compiler in the processes that are measured would be measured along.
 */
import { build, install, runAttached } from './setup.mjs'

install()
build('bench')
process.exitCode = await runAttached(process.execPath, ['bench/dist/main.js', ...process.argv.slice(2)])
