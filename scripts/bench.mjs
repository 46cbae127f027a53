/**
 * `npm run bench`: the cost of Countersign, next to the same programs without it. Runs compiled code, because a
 * compiler in the measured processes would be part of the measurement.
 */
import { build, install, runAttached } from './setup.mjs'

install()
build('bench')
process.exitCode = await runAttached(process.execPath, ['bench/dist/main.js', ...process.argv.slice(2)])
