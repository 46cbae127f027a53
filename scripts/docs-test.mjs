/**
 * `npm run docs:test`: builds the site and opens every page in a browser. Without Chromium or Chrome on the PATH it says
 * so and is skipped.
 */
import { join } from 'node:path'
import { buildSite, site, siteFolder } from './docs/build-site.mjs'
import { findBrowser } from './browser/find-browser.mjs'
import { runAttached } from './setup.mjs'

const browser = findBrowser()
buildSite()
process.exitCode = await runAttached(process.execPath, [join(siteFolder, 'test/open-every-page.mjs'), site, browser])
