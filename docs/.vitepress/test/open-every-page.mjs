/**
 * Opens every page of the built site in a browser, light and dark, wide and on a phone of 360 px.
 *
 * usage: node open-every-page.mjs <folder of the site> <path of the browser>
 */
import { readdirSync } from 'node:fs'
import { chromium } from 'playwright-core'
import { inspectPage, listOverflowing } from './inspect-page.mjs'
import { serveFolder } from './serve-folder.mjs'
import { findDeadLinks } from './find-dead-links.mjs'
import { checkSearch } from './check-search.mjs'

const [folder, executablePath] = process.argv.slice(2)
const paths = readdirSync(folder, { recursive: true })
  .map((name) => `/${name.replaceAll('\\', '/')}`)
  .filter((name) => name.endsWith('.html') && name !== '/404.html')
  .toSorted()

const server = await serveFolder(folder)
// The browser's sandbox does not start for root, as in most containers; the pages are ours.
const browser = await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] })
const findings = []
const inspected = new Map()
let last = Date.now()
try {
  for (const colorScheme of ['light', 'dark']) {
    const context = await browser.newContext({ colorScheme, viewport: { width: 1280, height: 900 } })
    const rest = [...paths]
    await Promise.all([1, 2, 3].map(() => visit(context, colorScheme, rest)))
    report(`${paths.length} pages, ${colorScheme}: wide and at 360 px`)
    findings.push(...(await checkSearch(context, server.origin)).map((finding) => `search, ${colorScheme}: ${finding}`))
    await context.close()
  }
  report('search finds route_uncovered without any other host')
  findings.push(...findDeadLinks(inspected))
  report(`${[...inspected.values()].reduce((sum, { links }) => sum + links.length, 0)} links inside the site`)
} finally {
  await browser.close()
  await server.close()
}

for (const finding of findings) process.stdout.write(`FAIL  ${finding}\n`)
process.stdout.write(findings.length === 0 ? 'passed\n' : `${findings.length} findings\n`)
process.exitCode = findings.length === 0 ? 0 : 1

async function visit(context, colorScheme, rest) {
  const page = await context.newPage()
  for (let path = rest.shift(); path !== undefined; path = rest.shift()) {
    const about = `${path}, ${colorScheme}`
    const { faults, ...found } = await inspectPage(page, server.origin, path)
    inspected.set(path, found)
    if (found.isDark !== (colorScheme === 'dark')) faults.push(`is ${found.isDark ? 'dark' : 'light'}`)
    await page.setViewportSize({ width: 360, height: 740 })
    faults.push(...(await page.evaluate(listOverflowing)))
    await page.setViewportSize({ width: 1280, height: 900 })
    findings.push(...faults.map((fault) => `${about}: ${fault}`))
    showProgress(`${colorScheme}: ${paths.length - rest.length} of ${paths.length} pages`)
  }
  await page.close()
}

function report(what) {
  process.stdout.write(`done  ${what}\n`)
}

function showProgress(what) {
  if (Date.now() - last < 2000) return
  last = Date.now()
  process.stderr.write(`${what}\n`)
}
