/**
 * `npm run docs`: builds the documentation site from docs/ and the sources. `npm run docs -- --serve` then serves it on
 * loopback. Its tools are installed only into docs/.vitepress, so that no other command needs them.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { buildSite, site, siteFolder } from './docs/build-site.mjs'
import { runAttached } from './setup.mjs'

buildSite()
const pages = readdirSync(site, { recursive: true }).filter((name) => name.endsWith('.html') && name !== '404.html')
process.stdout.write(`built ${pages.length} pages: ${join(site, 'index.html')}\n`)
if (process.argv.includes('--serve')) {
  const vitepress = join(siteFolder, 'node_modules/vitepress/bin/vitepress.js')
  process.exitCode = await runAttached(process.execPath, [vitepress, 'preview', 'docs', '--port', '4173'])
} else process.stdout.write('`npm run docs -- --serve` serves them; so does any server of static files.\n')
