/** `npm start`: the demo, a few small services on loopback. `npm start -- --serve` keeps it running. */
import { build, install, runAttached } from './setup.mjs'

install()
build('packages/core', 'packages/testkit', 'packages/fastify', 'packages/express', 'packages/workload-api')
process.exitCode = await runAttached(process.execPath, [
  '--import',
  'tsx',
  'examples/internal-api/src/main.ts',
  ...process.argv.slice(2),
])
