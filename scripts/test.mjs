/** `npm test`: all tests, or `npm test -- svid fastify --test-name-pattern=rotation` for some. */
import { build, install, runAttached } from './setup.mjs'
import { testArguments } from './test-files.mjs'

install()
build()
process.exitCode = await runAttached(process.execPath, testArguments(process.argv.slice(2)))
