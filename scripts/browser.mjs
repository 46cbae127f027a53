/**
 * `npm run test:browser`: the rules decide in a page of a real browser as they do in Node.js. Without Chromium or Chrome on
 * the PATH it says so and is skipped.
 */
import { spawnSync } from 'node:child_process'
import { build, install, runAttached } from './setup.mjs'

const names = ['chromium', 'chromium-browser', 'google-chrome']
const browser = names.find((name) => spawnSync(name, ['--version']).status === 0)
if (browser === undefined) {
  process.stdout.write(`found none of ${names.join(', ')} on the PATH.\nskipped\n`)
  process.exit(0)
}

install()
build('packages/authorization')
process.exitCode = await runAttached(process.execPath, ['--import', 'tsx', 'test/bundling/in-browser.ts', browser])
