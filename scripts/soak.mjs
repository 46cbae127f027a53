/** `npm run soak`: a service under load while its certificate is replaced every second, by files and by an agent. */
import { build, install, runAttached } from './setup.mjs'

install()
build(
  'packages/core',
  'packages/testkit',
  'packages/fastify',
  'packages/express',
  'packages/workload-api',
  'packages/client',
)
process.exitCode = await runAttached(process.execPath, [
  '--import',
  'tsx',
  'bench/src/soak/main.ts',
  ...process.argv.slice(2),
])
