import { setMaxListeners } from 'node:events'
import type { TLSSocket } from 'node:tls'
import { CallError, type SubjectSource, type X509Source } from '@countersign/core'
import { createDialer, type Dialer } from '@countersign/core/adapter'
import { Agent, type buildConnector, Dispatcher, errors } from 'undici'
import { type ClientOptions, parseClientOptions } from '../client-options.ts'
import { connect } from '../connect.ts'

/**
 * Options of `createDispatcher` and `createFetch`: how servers are identified, and some limits of undici's own agent.
 */
export interface DispatcherOptions extends ClientOptions, Pick<Agent.Options, (typeof agentOptionNames)[number]> {
  /**
   * Offers HTTP/2 besides HTTP/1.1. Default: false. Each connection carries one request at a time in either case: when
   * a server announces that an HTTP/2 connection will close, undici aborts all of its requests and retries some of
   * them.
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
 * Creates a dispatcher for undici's `request`, `fetch`, `stream` and `pipeline`, as `createAgent` does for
 * `node:https`. After a rotation, the connections of the old certificate are retired together: running requests finish,
 * and new requests get new connections.
 *
 * @throws {ConfigurationError} the message names the option, its value and the fix
 * @throws {SourceError} if the source has no valid certificate
 * @example
 * const dispatcher = createDispatcher(source, { servers: ['spiffe://saas.example/ns/production/sa/billing'] })
 * const { statusCode } = await request('https://billing:8443/internal/billing/invoices', { dispatcher })
 */
export function createDispatcher(source: X509Source | SubjectSource, options: DispatcherOptions): Dispatcher {
  return createDialingDispatcher(source, options, 'createDispatcher')
}

/** Creates the dispatcher; error messages start with `where`. Ignores the options that `further` names. */
export function createDialingDispatcher(
  source: X509Source | SubjectSource,
  options: DispatcherOptions,
  where: string,
  further: readonly string[] = [],
): Dispatcher {
  const known = [...agentOptionNames, 'allowH2', ...further]
  const { dialer, timeoutMs, rest } = parseClientOptions(source, options, known, where)
  const { allowH2 = false, ...others } = rest
  const limits = Object.fromEntries(Object.entries(others).filter(([name]) => !further.includes(name)))
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

/** The connections opened since the last retirement, and the agent that distributes them. */
interface Generation {
  readonly agent: Agent
  readonly sockets: WeakSet<TLSSocket>
}

class DialingDispatcher extends Dispatcher {
  readonly #dialer: Dialer
  readonly #transport: Transport
  // The pending closes of retired agents that still have running requests.
  readonly #retired = new Set<Promise<unknown>>()
  readonly #open = new Set<TLSSocket>()
  readonly #ending = new AbortController()
  #generation: Generation
  #isClosed = false

  constructor(dialer: Dialer, transport: Transport) {
    super()
    this.#dialer = dialer
    this.#transport = transport
    // Each connection being opened adds a listener.
    setMaxListeners(0, this.#ending.signal)
    this.#generation = this.#createGeneration()
    dialer.onStale((socket) => {
      if (this.#generation.sockets.has(socket)) this.#retire()
    })
  }

  override dispatch(options: Agent.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const origin = String(options.origin)
    if (this.#isClosed) refuse('closed', origin, 'a closed client', 'an open one; create another')
    if (!origin.startsWith('https://')) refuse('request_refused', origin, 'a request without TLS', 'https')
    if (options.method === 'CONNECT') {
      refuse('request_refused', origin, 'CONNECT', 'a direct request to the service, not through a proxy')
    }
    this.#dialer.check(() => serverOf(origin))
    return this.#generation.agent.dispatch(options, handler)
  }

  /** Waits for running requests and accepts no further ones. */
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
    // Once undici's agent is closing, it no longer lists its connections.
    for (const socket of this.#open) socket.destroy(reason ?? new errors.ClientDestroyedError())
    await ended
    if (typeof error === 'function') error()
    else done?.()
  }

  #createGeneration(): Generation {
    const sockets = new WeakSet<TLSSocket>()
    const { limits } = this.#transport
    // With several requests at a time on a connection, undici itself would resend them when the connection closes.
    const agent = new Agent({ ...limits, pipelining: 1, connect: this.#createConnector(sockets) })
    return { agent, sockets }
  }

  // Idle connections close now. Running requests, and those queued for a connection, finish on the old ones.
  #retire(): void {
    // A closed dispatcher accepts no further requests.
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
      // The certificate rotated during the handshake, and undici would send further requests on this connection.
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

/** Returns host and port, as in every other error. */
export function serverOf(origin: string): string {
  if (!URL.canParse(origin)) return origin
  const { protocol, hostname, port } = new URL(origin)
  return `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`
}
