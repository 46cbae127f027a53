/** `npm start`: the demo, a small service landscape on loopback. `npm start -- --serve` leaves it running. */
import { build, install, runAttached } from './setup.mjs'

install()
build('packages/core', 'packages/testkit', 'packages/fastify', 'packages/express', 'packages/workload-api')
process.exitCode = await runAttached(process.execPath, [
  '--import',
  'tsx',
  'examples/internal-api/src/main.ts',
  ...process.argv.slice(2),
])
