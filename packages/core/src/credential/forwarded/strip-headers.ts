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

/** A field line to remove. */
export interface StrippedLine {
  /** In lower case. */
  readonly name: string
  /** The position of the name in the list of names and values. */
  readonly index: number
}

/** What reading the headers of a request has shown. */
export interface ReceivedHeaders {
  /** The lines to remove, in order. */
  readonly stripped: readonly StrippedLine[]
  /** True if an HTTP/1 request may have trailers. */
  readonly mayHaveTrailers: boolean
}

/**
 * Removes headers from a request of an HTTP/1 or HTTP/2 server, before a handler sees it: from every view of its headers
 * and, when they arrive, of its trailers. Call it where the server emits the request.
 *
 * @param names in lower case
 * @param received what the caller found while it read the headers
 */
export function stripReceived(
  request: object,
  names: ReadonlySet<string>,
  { stripped, mayHaveTrailers }: ReceivedHeaders,
): void {
  if (stripped.length > 0) cutHeaders(request, stripped)
  stripViews(request, trailerViews, names)
  const stream: unknown = Reflect.get(request, 'stream')
  if (stream instanceof Readable) stripHttp2Trailers(stream, names)
  else if (mayHaveTrailers && request instanceof Readable) stripHttp1Trailers(request, names)
}

/**
 * Removes headers from a request, as `stripReceived` does, after searching the request for them.
 *
 * @param names in lower case
 */
export function stripHeaders(request: object, names: ReadonlySet<string>): void {
  const rawHeaders: unknown = Reflect.get(request, 'rawHeaders')
  const lines: readonly unknown[] = Array.isArray(rawHeaders) ? rawHeaders : []
  const mayHaveTrailers = lines.some((name, at) => at % 2 === 0 && lowerCase(name) === 'transfer-encoding')
  stripReceived(request, names, { stripped: findLines(lines, names), mayHaveTrailers })
}

function cutHeaders(request: object, stripped: readonly StrippedLine[]): void {
  // Node.js builds the objects from the list when they are first read, by a count of its own. So read them first.
  for (const property of ['headers', 'headersDistinct']) deleteKeys(Reflect.get(request, property), stripped)
  const lines: unknown = Reflect.get(request, 'rawHeaders')
  if (Array.isArray(lines)) cutLines(lines, stripped)
}

/** The properties of a request that hold the same fields: the names and values as received, and objects by name. */
interface Views {
  readonly raw: string
  readonly objects: readonly string[]
}

const trailerViews: Views = { raw: 'rawTrailers', objects: ['trailers', 'trailersDistinct'] }

function stripViews(message: object, { raw, objects }: Views, names: ReadonlySet<string>): void {
  const lines: unknown = Reflect.get(message, raw)
  if (!Array.isArray(lines)) return
  const found = findLines(lines, names)
  if (found.length === 0) return
  // Read before the list is cut, for the same reason.
  const views = objects.map((property): unknown => Reflect.get(message, property))
  for (const view of views) deleteKeys(view, found)
  cutLines(lines, found)
}

function findLines(lines: readonly unknown[], names: ReadonlySet<string>): readonly StrippedLine[] {
  const found: StrippedLine[] = []
  for (let index = 0; index < lines.length; index += 2) {
    const name = lowerCase(lines[index])
    if (names.has(name)) found.push({ name, index })
  }
  return found
}

function lowerCase(name: unknown): string {
  return typeof name === 'string' ? name.toLowerCase() : ''
}

function deleteKeys(fields: unknown, found: readonly StrippedLine[]): void {
  if (typeof fields !== 'object' || fields === null) return
  for (const { name } of found) Reflect.deleteProperty(fields, name)
}

// Moves the remaining lines, which is faster than removing each line separately.
function cutLines(lines: unknown[], found: readonly StrippedLine[]): void {
  let next = 0
  let kept = 0
  for (let index = 0; index < lines.length; index += 2) {
    if (found[next]?.index === index) {
      next += 1
      continue
    }
    lines[kept] = lines[index]
    lines[kept + 1] = lines[index + 1]
    kept += 2
  }
  lines.length = kept
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
    const found = findLines(rawTrailers, names)
    deleteKeys(trailers, found)
    cutLines(rawTrailers, found)
  })
}
