import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { ConfigurationError } from '@countersign/spiffe'
import { describeValue } from '@countersign/spiffe/options'
import type { Health } from './health.ts'
import { SharedCheck } from './probe-check.ts'
import { IdleConnections } from './probe-connections.ts'
import { parseProbeOptions, type Probe, type ProbeOptions } from './probe-options.ts'

/** Answers health probes until it is closed. */
export interface ProbeListener {
  /** The port in use; a free one if 0 was requested. */
  readonly port: number
  /** Stops listening and closes open connections immediately. */
  close(): Promise<void>
  /** Calls `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Serves health probes over plain HTTP/1.1 on a separate port, for clients without a certificate. Answers GET and HEAD
 * on the given paths with 200 or 503, other methods there with 405, and everything else with 404. Each connection
 * serves one request.
 *
 * @throws {ConfigurationError} `option_invalid` or `option_unknown` if an option is invalid; `option_invalid` with the
 * cause if it cannot listen on the port or host
 */
export async function probeListener(
  guard: { health(): Pick<Health, 'isServing'> },
  options: ProbeOptions,
): Promise<ProbeListener> {
  const { port, host, paths } = parseProbeOptions(options)
  const isServing = (): boolean => guard.health().isServing
  const probes = new Map([...paths].map(([path, probe]) => [path, createAsk(probe, isServing)]))
  const server = createServer(limits)
  const silent = new IdleConnections()
  server.on('connection', (socket) => silent.add(socket))
  // Answers do not depend on a body or an expectation (RFC 9110 §10.1.1).
  for (const event of ['request', 'checkContinue', 'checkExpectation']) {
    server.on(event, (request: IncomingMessage, response: ServerResponse) => {
      silent.release(request.socket)
      answer(probes, request, response)
    })
  }
  server.maxRequestsPerSocket = 1
  server.setTimeout(idleTimeout)
  await listen(server, port, host)
  const address = server.address()
  const close = createClose(server)
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    close,
    [Symbol.asyncDispose]: close,
  }
}

const limits = {
  maxHeaderSize: 4096,
  headersTimeout: 5000,
  requestTimeout: 5000,
  // By default, Node checks for timed-out connections only every 30 seconds.
  connectionsCheckingInterval: 1000,
} as const

/** Milliseconds: twice the time limit of a check. */
const idleTimeout = 10_000

interface Answer {
  readonly status: 200 | 404 | 405 | 503
  readonly word?: 'live' | 'ready' | 'unready'
}

/** Calls back with the answer, immediately or later. Returns a function that cancels the wait. */
type Ask = (reply: (answer: Answer) => void) => () => void

function answer(
  probes: ReadonlyMap<string, Ask>,
  { url = '', method = '' }: IncomingMessage,
  response: ServerResponse,
): void {
  // The target is matched as sent. One that would first have to be decoded or resolved is a different path.
  const ask = probes.get(url.split('?', 1)[0] ?? '')
  if (ask === undefined) send(response, { status: 404 })
  else if (method !== 'GET' && method !== 'HEAD') send(response, { status: 405 })
  else
    response.once(
      'close',
      ask((found) => send(response, found)),
    )
}

function send(response: ServerResponse, { status, word }: Answer): void {
  const body = word === undefined ? '' : JSON.stringify({ status: word })
  response.writeHead(status, {
    'content-length': body.length,
    'cache-control': 'no-store',
    connection: 'close',
    ...(word !== undefined && { 'content-type': 'application/json' }),
    ...(status === 405 && { allow: 'GET, HEAD' }),
  })
  response.end(body)
}

const live: Answer = { status: 200, word: 'live' }
const ready: Answer = { status: 200, word: 'ready' }
const unready: Answer = { status: 503, word: 'unready' }

// `live` never waits, so the limits of other paths cannot delay it.
function createAsk(probe: Probe, isServing: () => boolean): Ask {
  if (probe === 'live') return answerAtOnce(() => live)
  const judge = (isFine: boolean): Answer => (isFine && isSafelyServing(isServing) ? ready : unready)
  if (probe === 'ready') return answerAtOnce(() => judge(true))
  const check = new SharedCheck(probe)
  return (reply) => {
    if (isSafelyServing(isServing)) return check.ask((isFine) => reply(judge(isFine)))
    reply(unready)
    return () => undefined
  }
}

function answerAtOnce(find: () => Answer): Ask {
  return (reply) => {
    reply(find())
    return () => undefined
  }
}

// A source that is not ours may throw anything.
function isSafelyServing(isServing: () => boolean): boolean {
  try {
    return isServing()
  } catch {
    return false
  }
}

function listen(server: Server, port: number, host: string | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (error: Error): void => reject(explainListening(error, port, host))
    server.once('error', refuse)
    server.listen({ port, ...(host !== undefined && { host }) }, () => {
      server.off('error', refuse)
      // Probes must not keep a process alive whose service has ended.
      server.unref()
      // A failure to accept a connection must not end the service.
      server.on('error', () => undefined)
      resolve()
    })
  })
}

function explainListening(cause: Error, port: number, host: string | undefined): ConfigurationError {
  const code = 'code' in cause ? String(cause.code) : cause.message
  const expected = expectedPorts.get(code)
  const [option, value] = host === undefined || expected !== undefined ? ['port', port] : ['host', host]
  const message = `probeListener: ${option}: found ${describeValue(value)} (${code}), expected ${expected ?? 'an address of this machine'}`
  return new ConfigurationError('option_invalid', message, { value, cause })
}

const expectedPorts: ReadonlyMap<string, string> = new Map([
  ['EADDRINUSE', 'a free port; choose another one, here and in the manifest'],
  ['EACCES', 'a port that this process may listen on, which is 1024 or higher'],
])

function createClose(server: Server): () => Promise<void> {
  let closed: Promise<void> | undefined
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return () => (closed ??= close())
}
