/** `npm test`: all tests, or `npm test -- svid fastify --test-name-pattern=rotation` for some. */
import { build, install } from './setup.mjs'
import { runTests } from './test/run-tests.mjs'

install()
build()
process.exitCode = await runTests(process.argv.slice(2))
