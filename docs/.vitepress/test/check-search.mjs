const wanted = 'route_uncovered'

/** Searches for a code as a reader does. Requests to other hosts are cut off, so the index has to come with the site. */
export async function checkSearch(context, origin) {
  const page = await context.newPage()
  await page.route(
    (url) => url.origin !== origin,
    (route) => route.abort(),
  )
  await page.goto(origin, { waitUntil: 'networkidle' })
  await page.keyboard.press('Control+k')
  await page.locator('#localsearch-input').fill(wanted)
  const first = page.locator('.VPLocalSearchBox .result').first()
  const href = await first.getAttribute('href', { timeout: 30_000 }).catch(() => null)
  if (href === null) return [`finds nothing for ${wanted}`]
  await first.click()
  await page.waitForURL(`**${href}`)
  await page.close()
  return href.endsWith(`errors.html#${wanted}`) ? [] : [`the first result for ${wanted} is ${href}`]
}
