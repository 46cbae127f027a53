/**
 * `npm run test:browser`: the rules decide in a page of a real browser as they do in Node.js. Skipped with a message if
 * Chromium or Chrome is not on the PATH.
 */
import { findBrowser } from './browser/find-browser.mjs'
import { build, install, runAttached } from './setup.mjs'

const browser = findBrowser()
install()
build('packages/authorization')
process.exitCode = await runAttached(process.execPath, ['--import', 'tsx', 'test/bundling/in-browser.ts', browser])
