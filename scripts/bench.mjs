/** `npm run bench`: what Countersign costs, side by side with the same servers without it. */
import { build, install, runAttached } from './setup.mjs'

install()
build('packages/core', 'packages/testkit', 'packages/fastify', 'packages/express', 'packages/workload-api')
process.exitCode = await runAttached(process.execPath, [
  '--import',
  'tsx',
  'bench/src/main.ts',
  ...process.argv.slice(2),
])
