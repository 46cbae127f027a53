/** `npm run soak`: a service under load while its certificate files are replaced every second. */
import { build, install, runAttached } from './setup.mjs'

install()
build('packages/core', 'packages/testkit', 'packages/fastify', 'packages/express')
process.exitCode = await runAttached(process.execPath, [
  '--import',
  'tsx',
  'bench/src/soak/main.ts',
  ...process.argv.slice(2),
])
