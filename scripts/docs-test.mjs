/**
 * `npm run docs:test`: builds the site and opens every page in a browser. Skipped with a message if Chromium or Chrome
 * is not on the PATH.
 */
import { join } from 'node:path'
import { buildSite, site, siteFolder } from './docs/build-site.mjs'
import { findBrowser } from './browser/find-browser.mjs'
import { runAttached } from './setup.mjs'

const browser = findBrowser()
buildSite()
process.exitCode = await runAttached(process.execPath, [join(siteFolder, 'test/open-every-page.mjs'), site, browser])
