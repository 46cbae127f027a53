import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { CountersignError } from '@countersign/spiffe'
import type { Context } from '../context.ts'
import { findEndpoint } from '../find-endpoint.ts'
import type { ReportPlace } from './readiness-options.ts'

/**
 * Reads the place of a report line by line.
 *
 * @throws {Error} with a `code`: Node's for a file or a connection, `ERR_HTTP_STATUS` if a URL does not answer with 200
 */
export async function* readLines(place: ReportPlace, context: Context): AsyncIterable<string> {
  switch (place.kind) {
    case 'input':
      yield* splitLines(context.input)
      return
    case 'file':
      yield* splitLines(createReadStream(place.path))
      return
    case 'url':
      yield* splitLines(Readable.from([await request(place.url, fetch)]))
      return
    case 'service':
      yield* splitLines(Readable.from([await requestService(place, context)]))
  }
}

/** Characters: several times the largest report. A longer line is split. */
const longestLine = 8 * 1024 * 1024

async function* splitLines(stream: Readable): AsyncIterable<string> {
  let rest = ''
  for await (const chunk of stream.setEncoding('utf8')) {
    const lines = `${rest}${String(chunk)}`.split('\n')
    rest = lines.pop() ?? ''
    yield* lines
    if (rest.length <= longestLine) continue
    yield rest
    rest = ''
  }
  yield rest
}

async function requestService(
  { url, server, socket }: ReportPlace & { kind: 'service' },
  { environment }: Context,
): Promise<string> {
  const endpoint = findEndpoint(socket, environment)
  // Loaded only here: calls over mTLS take longer to load than all other commands together.
  const [{ createFetch }, { workloadApiSource }] = await Promise.all([
    import('@countersign/client'),
    import('@countersign/workload-api'),
  ])
  await using source = await workloadApiSource({ ...endpoint, timeoutMs: timeout })
  await using call = createFetch(source, { servers: [server] })
  return await request(url, call)
}

/** Milliseconds for a whole answer. */
const timeout = 10_000

type Call = (
  url: string,
  init: { readonly headers: Record<string, string>; readonly redirect: 'error'; readonly signal: AbortSignal },
) => Promise<{ readonly status: number; readonly body: unknown }>

async function request(url: string, call: Call): Promise<string> {
  try {
    // A redirect could lead to another service, or to a page for people.
    const signal = AbortSignal.timeout(timeout)
    const { status, body } = await call(url, { headers: { accept: 'application/json' }, redirect: 'error', signal })
    if (status === 200) return await readBody(url, body)
    throw createFailure('ERR_HTTP_STATUS', `${url}: found status ${status}, expected 200 with a report`)
  } catch (error) {
    throw describeFailure(url, error)
  }
}

async function readBody(url: string, body: unknown): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body instanceof ReadableStream ? Readable.fromWeb(body) : []) {
    if (!(chunk instanceof Uint8Array)) continue
    chunks.push(chunk)
    size += chunk.length
    if (size > longestLine) throw createFailure('ERR_OUT_OF_RANGE', `${url}: found over 8 MiB, expected a report`)
  }
  return Buffer.concat(chunks).toString()
}

// `fetch` hides the reason in the cause, and its own errors have no code, or a number.
function describeFailure(url: string, error: unknown): Error {
  const reason = error instanceof Error && error.cause instanceof Error ? error.cause : error
  if (!(reason instanceof Error)) return createFailure('ERR_FETCH', `${url}: ${String(reason)}`)
  if (reason instanceof CountersignError) return reason
  if ('code' in reason && typeof reason.code === 'string') {
    return reason.message.startsWith(url) ? reason : createFailure(reason.code, `${url}: ${reason.message}`)
  }
  return createFailure('ERR_FETCH', `${url}: ${reason.message}`)
}

function createFailure(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}
