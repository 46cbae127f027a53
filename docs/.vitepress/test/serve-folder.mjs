import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'

const types = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.js', 'text/javascript'],
  ['.css', 'text/css'],
  ['.json', 'application/json'],
  ['.svg', 'image/svg+xml'],
  ['.woff2', 'font/woff2'],
])

/** Serves a folder on a free port of loopback, as any server of static files does. */
export async function serveFolder(folder) {
  const server = createServer((request, response) => void answer(folder, request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    close: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    },
  }
}

async function answer(folder, request, response) {
  const path = decodeURIComponent(new URL(request.url, 'http://site').pathname)
  const file = join(folder, normalize(path.endsWith('/') ? `${path}index.html` : path))
  try {
    const body = await readFile(file)
    response.writeHead(200, { 'content-type': types.get(extname(file)) ?? 'application/octet-stream' }).end(body)
  } catch {
    response.writeHead(404, { 'content-type': 'text/plain' }).end('not found')
  }
}
