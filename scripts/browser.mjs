/**
 * `npm run test:browser`: the rules decide in a page of a real browser as they do in Node.js, and the page of an access
 * matrix works there. Skipped with a message if Chromium or Chrome is not on the PATH. `-- --screenshot` also writes
 * `docs/access-matrix.png`.
 */
import { findBrowser } from './browser/find-browser.mjs'
import { build, install, runAttached } from './setup.mjs'

const browser = findBrowser()
install()
build('packages/cli')
for (const program of ['test/bundling/in-browser.ts', 'test/matrix/in-browser.ts']) {
  const options = process.argv.slice(2)
  process.exitCode = await runAttached(process.execPath, ['--import', 'tsx', program, browser, ...options])
  if (process.exitCode !== 0) break
}
