import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import axe from 'axe-core'
import { type Browser, chromium, type Page } from 'playwright-core'
import { formatMatrixHtml } from '../../packages/cli/src/policy/page/format-matrix-html.ts'
import { createDemoMatrix, hostile } from './demo-matrix.ts'

/*
 * Opens the page of a matrix in a real browser, whose program is the first argument: wide and at 360 px, light and dark,
 * with scripts and without. `--screenshot` also writes docs/access-matrix.png.
 */

const [executablePath = 'chromium', option] = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), 'countersign-matrix-'))
const file = join(folder, 'matrix.html')
const url = pathToFileURL(file).href
writePage([hostile])

const colorSchemes = ['light', 'dark'] as const
const viewports = [
  { width: 360, height: 740 },
  { width: 1440, height: 900 },
] as const

// The browser's sandbox does not start for root, as in most containers; the page is ours.
const browser = await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] })
try {
  for (const colorScheme of colorSchemes) {
    for (const viewport of viewports) {
      for (const javaScriptEnabled of [true, false]) {
        await inspect(browser, { colorScheme, viewport, javaScriptEnabled })
      }
    }
  }
  await withPage(browser, {}, checkFilter)
  await withPage(browser, {}, checkKeyboard)
  await withPage(browser, {}, checkHostile)
  await withPage(browser, { javaScriptEnabled: false }, checkWithoutScripts)
  if (option === '--screenshot') await takeScreenshot(browser)
} finally {
  await browser.close()
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
}
process.stdout.write('passed\n')

type Settings = NonNullable<Parameters<Browser['newContext']>[0]>

async function withPage(opened: Browser, settings: Settings, check: (page: Page) => Promise<void>): Promise<void> {
  const context = await opened.newContext({ viewport: viewports[1], ...settings })
  const page = await context.newPage()
  const faults: string[] = []
  page.on('console', (message) => faults.push(message.text()))
  page.on('pageerror', (error) => faults.push(error.message))
  page.on('request', (request) => {
    if (request.url().split('#')[0] !== url) faults.push(`request to ${request.url()}`)
  })
  await page.goto(url)
  await check(page)
  assert.deepEqual(faults, [])
  await context.close()
}

async function inspect(opened: Browser, settings: Settings): Promise<void> {
  // The policy of the page refuses a script that a test adds, as it should.
  const { colorScheme, viewport, javaScriptEnabled } = settings
  const name = `${colorScheme}, ${viewport?.width} px, ${javaScriptEnabled === true ? 'with' : 'without'} scripts`
  await withPage(opened, settings, async (page) => {
    assert.equal(await page.locator('table').isVisible(), true, name)
    const [scrollWidth, clientWidth] = await page.evaluate<readonly number[]>(
      '[document.documentElement.scrollWidth, document.documentElement.clientWidth]',
    )
    assert.ok((scrollWidth ?? 0) <= (clientWidth ?? 0), `${name}: scrolls sideways: ${scrollWidth} px`)
    const [red = 0] = await page.evaluate<readonly number[]>(
      'getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)',
    )
    assert.equal(red < 128, colorScheme === 'dark', name)
  })
  const context = await opened.newContext({ ...settings, javaScriptEnabled: true, bypassCSP: true })
  const page = await context.newPage()
  await page.goto(url)
  await page.evaluate(axe.source)
  const violations: unknown = await page.evaluate(
    'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ": " + nodes[0].html))',
  )
  assert.deepEqual(violations, [], name)
  await context.close()
  process.stdout.write(`ok    ${name}\n`)
}

async function checkFilter(page: Page): Promise<void> {
  const all = await countRows(page)
  await page.getByLabel('Callers').fill('core-api')
  const some = await countRows(page)
  assert.ok(some > 0 && some < all, `found ${some} of ${all} rows`)
  await page.getByLabel('Callers').fill('')
  await page.getByLabel('Routes').fill('analytics')
  const heads = await page.locator('thead th:visible').allTextContents()
  assert.ok(heads.length > 1)
  assert.ok(heads.slice(1).every((text) => text.includes('analytics')))
  await page.getByLabel('Routes').press('Escape')
  assert.equal(await countRows(page), all)
  await page.getByLabel('Cells').selectOption('unused')
  assert.ok((await countRows(page)) < all)
  assert.match((await page.locator('output').textContent()) ?? '', /^\d+ of \d+ callers, \d+ of \d+ columns$/)
  process.stdout.write('ok    the filters\n')
}

async function checkKeyboard(page: Page): Promise<void> {
  await page.keyboard.press('/')
  assert.equal(await page.evaluate('document.activeElement.id'), 'callers')
  for (let step = 0; step < 4; step += 1) await page.keyboard.press('Tab')
  const position = (): Promise<readonly number[]> =>
    page.evaluate(
      '[document.activeElement.closest("tr")?.rowIndex ?? -1, document.activeElement.closest("td")?.cellIndex ?? -1]',
    )
  assert.deepEqual(await position(), [1, 1], 'one Tab after the scrolled region leads to the first cell')
  await page.keyboard.press('ArrowRight')
  await page.keyboard.press('ArrowDown')
  assert.deepEqual(await position(), [2, 2])
  await page.keyboard.press('Home')
  await page.keyboard.press('ArrowUp')
  assert.deepEqual(await position(), [1, 1])
  assert.match((await page.locator('#shown').textContent()) ?? '', /: (?:allow|deny|depends).* – ./)
  // One stop for the whole table: the next Tab leaves it.
  await page.keyboard.press('Tab')
  assert.deepEqual(await position(), [-1, -1])
  process.stdout.write('ok    the keyboard\n')
}

async function checkHostile(page: Page): Promise<void> {
  assert.ok((await page.locator('tbody th').allTextContents()).some((text) => text.includes(hostile)))
  assert.equal(await page.locator('img, b').count(), 0)
  await page.getByLabel('Callers').fill(hostile)
  assert.equal(await countRows(page), 1)
  assert.equal(await page.evaluate('window.isTaken'), undefined)
  process.stdout.write('ok    names are never markup\n')
}

async function checkWithoutScripts(page: Page): Promise<void> {
  assert.equal(await page.getByRole('search').isVisible(), false)
  const link = page.locator('td a').first()
  const target = await link.getAttribute('href')
  await link.click()
  assert.equal(new URL(page.url()).hash, target)
  assert.equal(await page.locator(target ?? '').isVisible(), true)
  process.stdout.write('ok    reasons without scripts\n')
}

async function takeScreenshot(opened: Browser): Promise<void> {
  writePage()
  await withPage(opened, { viewport: { width: 1320, height: 560 } }, async (page) => {
    await page.locator('td a').first().focus()
    await page.screenshot({ path: fileURLToPath(new URL('../../docs/access-matrix.png', import.meta.url)) })
  })
}

function writePage(more: readonly string[] = []): void {
  const service = 'spiffe://saas.example/ns/production/sa/billing-service'
  writeFileSync(file, formatMatrixHtml(createDemoMatrix(more), { service, at: Date.parse('2026-11-28T09:00:00Z') }))
}

function countRows(page: Page): Promise<number> {
  return page.locator('tbody tr:visible').count()
}
