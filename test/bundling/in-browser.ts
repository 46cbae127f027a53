import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { bundleForPage, expectedDecisions } from './bundle-for-page.ts'

/*
 * Decides in a page of a real browser, whose program is the first argument, what `page.ts` decides elsewhere.
 */

const [browser = 'chromium'] = process.argv.slice(2)
const script = await bundleForPage()

// From a loopback server, because `crypto.randomUUID` is missing in pages from files in some browsers.
const server = createServer(({ url }, response) => {
  const isScript = url === '/page.js'
  response.writeHead(200, { 'content-type': isScript ? 'text/javascript' : 'text/html' })
  response.end(isScript ? script : document())
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const profile = mkdtempSync(join(tmpdir(), 'countersign-browser-'))
try {
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const args = ['--headless=new', '--disable-gpu', '--no-first-run', `--user-data-dir=${profile}`, '--dump-dom']
  // Chromium's sandbox does not start as root, as in most containers; the page is ours.
  const asRoot = process.getuid?.() === 0 ? ['--no-sandbox'] : []
  const { stdout } = await promisify(execFile)(browser, [...args, ...asRoot, `http://127.0.0.1:${port}/`], {
    timeout: 60_000,
  })
  const [, found = ''] = /<pre id="found">([^<]*)<\/pre>/.exec(stdout) ?? []
  assert.notEqual(found, '', `the page showed nothing:\n${stdout}`)
  assert.deepEqual(JSON.parse(found), expectedDecisions)
  process.stdout.write(`ok    ${expectedDecisions.length} decisions in ${browser} are those of Node.js\n`)
} finally {
  server.close()
  server.closeAllConnections()
  rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
}

function document(): string {
  const show = "document.getElementById('found').textContent = JSON.stringify(page.decisions)"
  return `<!doctype html><pre id="found"></pre><script src="/page.js"></script><script>${show}</script>`
}
