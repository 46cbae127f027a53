/** Opens a page and lists what is wrong with it, its anchors and its links to other pages of the site. */
export async function inspectPage(page, origin, path) {
  const faults = []
  const listeners = {
    console: (message) => {
      if (['error', 'warning'].includes(message.type())) faults.push(`console: ${message.text()}`)
    },
    pageerror: (error) => faults.push(`exception: ${error.message}`),
    requestfailed: (request) => {
      // Prefetching of the next pages stops when the page is left.
      if (request.failure()?.errorText !== 'net::ERR_ABORTED') faults.push(`failed: ${request.url()}`)
    },
    response: (response) => {
      if (response.status() >= 400) faults.push(`${response.status()}: ${response.url()}`)
    },
    request: (request) => {
      if (!/^(?:data|blob):/.test(request.url()) && new URL(request.url()).origin !== origin) {
        faults.push(`request to another host: ${request.url()}`)
      }
    },
  }
  for (const [name, listener] of Object.entries(listeners)) page.on(name, listener)
  await page.goto(`${origin}${path}`, { waitUntil: 'load' })
  // Vue marks the root when it has taken over the page that the server sent.
  await page.waitForFunction(() => document.querySelector('#app')?.__vue_app__ !== undefined)
  const found = await page.evaluate(readPage)
  for (const [name, listener] of Object.entries(listeners)) page.off(name, listener)
  return { ...found, faults }
}

function readPage() {
  return {
    title: document.title,
    isDark: document.documentElement.classList.contains('dark'),
    anchors: [...document.querySelectorAll('[id]')].map(({ id }) => id),
    links: [...new Set([...document.querySelectorAll('a[href]')].map(({ href }) => href))].filter((href) =>
      href.startsWith(location.origin),
    ),
  }
}

/** Runs in the page: what makes it scroll sideways. */
export function listOverflowing() {
  const { scrollWidth, clientWidth } = document.documentElement
  if (scrollWidth <= clientWidth) return []
  const wide = [...document.querySelectorAll('body *')].filter((element) => {
    const { right, width } = element.getBoundingClientRect()
    return width > 0 && right > clientWidth + 1 && !element.closest('pre, table, .VPSidebar')
  })
  const names = wide.slice(0, 3).map((element) => `${element.tagName} ${element.textContent.trim().slice(0, 60)}`)
  return [`scrolls sideways at 360 px: ${scrollWidth} px; ${names.join(' | ')}`]
}
