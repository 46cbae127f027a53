/** `npm run format`: formats the sources, in place. */
import { install, runAttached } from './setup.mjs'

install()
process.exitCode = await runAttached(process.execPath, ['node_modules/oxfmt/bin/oxfmt'])
