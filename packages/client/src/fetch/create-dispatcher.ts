import { setMaxListeners } from 'node:events'
import type { TLSSocket } from 'node:tls'
import { CallError, type SubjectSource, type X509Source } from '@countersign/core'
import { createDialer, type Dialer } from '@countersign/core/adapter'
import { Agent, type buildConnector, Dispatcher, errors } from 'undici'
import { type ClientOptions, parseClientOptions } from '../client-options.ts'
import { connect } from '../connect.ts'

/** What `createDispatcher` and `createFetch` take: how servers are known, and of undici's own agent some limits. */
export interface DispatcherOptions extends ClientOptions, Pick<Agent.Options, (typeof agentOptionNames)[number]> {
  /**
   * Offers HTTP/2 beside HTTP/1.1; default false. Each connection carries one request at a time in any case: undici ends
   * all requests of an HTTP/2 connection when its server announces the end of it, and sends some of them again.
   */
  readonly allowH2?: boolean
}

const agentOptionNames = [
  'bodyTimeout',
  'connections',
  'headersTimeout',
  'keepAliveMaxTimeout',
  'keepAliveTimeout',
  'maxHeaderSize',
  'maxResponseSize',
] as const

/**
 * Creates a dispatcher for undici's `request`, `fetch`, `stream` and `pipeline`: as `createAgent` for `node:https`. The
 * connections of an old certificate are retired as a whole: what runs on them ends, and new requests get new ones.
 *
 * @throws {ConfigurationError} naming option, value and remedy
 * @throws {SourceError} when the source has no valid certificate
 * @example
 * const dispatcher = createDispatcher(source, { servers: ['spiffe://saas.example/ns/production/sa/billing'] })
 * const { statusCode } = await request('https://billing:8443/internal/billing/invoices', { dispatcher })
 */
export function createDispatcher(source: X509Source | SubjectSource, options: DispatcherOptions): Dispatcher {
  return createDialingDispatcher(source, options, 'createDispatcher')
}

/** The same, with the name of whoever creates it for the messages of errors. */
export function createDialingDispatcher(
  source: X509Source | SubjectSource,
  options: DispatcherOptions,
  where: string,
): Dispatcher {
  const { dialer, timeoutMs, rest } = parseClientOptions(source, options, [...agentOptionNames, 'allowH2'], where)
  const { allowH2 = false, ...limits } = rest
  return new DialingDispatcher(createDialer(source, dialer, where), {
    timeoutMs,
    protocols: allowH2 === true ? ['h2', 'http/1.1'] : ['http/1.1'],
    limits,
  })
}

interface Transport {
  readonly timeoutMs: number
  readonly protocols: readonly string[]
  readonly limits: Agent.Options
}

/** Connections that were made since the last retirement, and what shares them out. */
interface Generation {
  readonly agent: Agent
  readonly sockets: WeakSet<TLSSocket>
}

class DialingDispatcher extends Dispatcher {
  readonly #dialer: Dialer
  readonly #transport: Transport
  // The ends of those that still carry something.
  readonly #retired = new Set<Promise<unknown>>()
  readonly #open = new Set<TLSSocket>()
  readonly #ending = new AbortController()
  #generation: Generation
  #isClosed = false

  constructor(dialer: Dialer, transport: Transport) {
    super()
    this.#dialer = dialer
    this.#transport = transport
    // One listener for each connection that is being made.
    setMaxListeners(0, this.#ending.signal)
    this.#generation = this.#createGeneration()
    dialer.onStale((socket) => {
      if (this.#generation.sockets.has(socket)) this.#retire()
    })
  }

  override dispatch(options: Agent.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const origin = String(options.origin)
    if (this.#isClosed) refuse('closed', origin, 'a client that was closed', 'one that is open; create another')
    if (!origin.startsWith('https://')) refuse('request_refused', origin, 'a request without TLS', 'https')
    if (options.method === 'CONNECT') {
      refuse('request_refused', origin, 'CONNECT', 'a request of the service itself, not through a proxy')
    }
    this.#dialer.check(() => serverOf(origin))
    return this.#generation.agent.dispatch(options, handler)
  }

  /** Waits for what runs; takes no further request. */
  override async close(done?: () => void): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.#retired, this.#generation.agent.close()])
    this.#dialer.close()
    done?.()
  }

  override async destroy(error?: Error | null | (() => void), done?: () => void): Promise<void> {
    this.#isClosed = true
    this.#dialer.close()
    const reason = typeof error === 'function' ? null : (error ?? null)
    const ended = this.#generation.agent.destroy(reason)
    this.#ending.abort()
    // Undici's own agent, once it is closing, has forgotten its connections.
    for (const socket of this.#open) socket.destroy(reason ?? new errors.ClientDestroyedError())
    await ended
    if (typeof error === 'function') error()
    else done?.()
  }

  #createGeneration(): Generation {
    const sockets = new WeakSet<TLSSocket>()
    const { limits } = this.#transport
    // More than one request at a time on a connection would be sent again, when it ends, by undici itself.
    const agent = new Agent({ ...limits, pipelining: 1, connect: this.#createConnector(sockets) })
    return { agent, sockets }
  }

  // Its idle connections end now; what runs on the others, or waits for one, goes on to its end.
  #retire(): void {
    // What is closed already takes no further request.
    if (this.#isClosed) return
    const { agent } = this.#generation
    this.#generation = this.#createGeneration()
    const end = agent.close().finally(() => this.#retired.delete(end))
    this.#retired.add(end)
  }

  #createConnector(sockets: WeakSet<TLSSocket>): buildConnector.connector {
    const { timeoutMs, protocols } = this.#transport
    const open = async ({ hostname, port, servername, localAddress }: buildConnector.Options): Promise<TLSSocket> => {
      const { socket } = await connect(this.#dialer, {
        host: hostname,
        port: port === '' ? 443 : Number(port),
        servername,
        localAddress: localAddress ?? undefined,
        protocols,
        timeoutMs,
        signal: this.#ending.signal,
      })
      this.#open.add(socket)
      socket.once('close', () => this.#open.delete(socket))
      socket.setNoDelay(true)
      return socket
    }
    const serve = async (options: buildConnector.Options, done: buildConnector.Callback): Promise<void> => {
      let socket: TLSSocket
      try {
        socket = await open(options)
      } catch (error) {
        done(error instanceof Error ? error : new Error('the connection failed'), null)
        return
      }
      const isKept = this.#dialer.isKept(socket)
      if (isKept) sockets.add(socket)
      done(null, socket)
      // Rotated during the handshake: undici would give it further requests.
      if (!isKept && this.#generation.sockets === sockets) this.#retire()
    }
    return (options, done) => void serve(options, done)
  }
}

function refuse(reason: string, origin: string, found: string, expected: string): never {
  const server = serverOf(origin)
  const message = `${server} was not called: found ${found}, expected ${expected}`
  throw new CallError('call_unsuitable', message, { reason, server })
}

// Host and port, as in every other error.
function serverOf(origin: string): string {
  if (!URL.canParse(origin)) return origin
  const { protocol, hostname, port } = new URL(origin)
  return `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`
}
