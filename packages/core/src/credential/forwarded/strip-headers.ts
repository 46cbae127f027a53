import { Readable } from 'node:stream'
import type { HeaderLines } from './forwarded-claim.ts'

/**
 * Returns a function that finds the field lines of a header, which `headers` of a request would join or drop.
 *
 * @param rawHeaders names and values in turns, as Node.js received them
 */
export function readHeaderLines(rawHeaders: readonly string[]): HeaderLines {
  return (name) => rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === name)
}

/**
 * Removes headers from a request of an HTTP/1 or HTTP/2 server, before a handler sees it: from every view of its headers
 * and, when they arrive, of its trailers. Call it where the server emits the request.
 *
 * @param names in lower case
 */
export function stripHeaders(request: object, names: ReadonlySet<string>): void {
  stripViews(request, headerViews, names)
  stripViews(request, trailerViews, names)
  const stream: unknown = Reflect.get(request, 'stream')
  if (stream instanceof Readable) stripHttp2Trailers(stream, names)
  else if (request instanceof Readable && mayHaveTrailers(request)) stripHttp1Trailers(request, names)
}

/** The properties of a request that hold the same fields: the names and values as received, and objects by name. */
interface Views {
  readonly raw: string
  readonly objects: readonly string[]
}

const headerViews: Views = { raw: 'rawHeaders', objects: ['headers', 'headersDistinct'] }
const trailerViews: Views = { raw: 'rawTrailers', objects: ['trailers', 'trailersDistinct'] }

function stripViews(message: object, { raw, objects }: Views, names: ReadonlySet<string>): void {
  const lines: unknown = Reflect.get(message, raw)
  if (!Array.isArray(lines)) return
  const found = findNames(lines, names)
  if (found.length === 0) return
  // Node.js builds the objects from the list when they are first read, by a count of its own. So read them first.
  const views = objects.map((property): unknown => Reflect.get(message, property))
  for (const view of views) deleteKeys(view, found)
  cutLines(lines, names)
}

function findNames(lines: readonly unknown[], names: ReadonlySet<string>): readonly string[] {
  const found: string[] = []
  for (let at = 0; at < lines.length; at += 2) {
    const name = lowerCase(lines[at])
    if (names.has(name)) found.push(name)
  }
  return found
}

function lowerCase(name: unknown): string {
  return typeof name === 'string' ? name.toLowerCase() : ''
}

function deleteKeys(fields: unknown, found: readonly string[]): void {
  if (typeof fields !== 'object' || fields === null) return
  for (const name of found) Reflect.deleteProperty(fields, name)
}

function cutLines(lines: unknown[], names: ReadonlySet<string>): void {
  let kept = 0
  for (let at = 0; at < lines.length; at += 2) {
    if (names.has(lowerCase(lines[at]))) continue
    lines.copyWithin(kept, at, at + 2)
    kept += 2
  }
  lines.splice(kept)
}

/** HTTP/1 has trailers only in a chunked body. */
function mayHaveTrailers(request: Readable): boolean {
  const headers: unknown = Reflect.get(request, 'headers')
  return typeof headers === 'object' && headers !== null && 'transfer-encoding' in headers
}

/**
 * Node.js stores the trailers of HTTP/1 and then ends the stream by `push(null)`, before any listener runs.
 */
function stripHttp1Trailers(request: Readable, names: ReadonlySet<string>): void {
  const push = request.push.bind(request)
  Object.defineProperty(request, 'push', {
    configurable: true,
    writable: true,
    value(chunk: unknown, encoding?: BufferEncoding): boolean {
      if (chunk === null) stripViews(request, trailerViews, names)
      return push(chunk, encoding)
    },
  })
}

/** Node.js passes the same object and list to each listener, first to this one. */
function stripHttp2Trailers(stream: Readable, names: ReadonlySet<string>): void {
  if (Reflect.get(stream, 'endAfterHeaders') === true) return
  stream.prependListener('trailers', (trailers: unknown, _flags: unknown, rawTrailers: unknown) => {
    if (!Array.isArray(rawTrailers)) return
    deleteKeys(trailers, findNames(rawTrailers, names))
    cutLines(rawTrailers, names)
  })
}
