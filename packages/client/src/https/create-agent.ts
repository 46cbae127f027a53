import { setMaxListeners } from 'node:events'
import type { ClientRequest } from 'node:http'
import type { Agent, AgentOptions as HttpsAgentOptions } from 'node:https'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { createDialer, type Dialer } from '@countersign/core/adapter'
import type { SubjectSource, X509Source } from '@countersign/core'
import { type ClientOptions, parseClientOptions } from '../client-options.ts'
import { connect } from '../connect.ts'
import { CountingAgent } from './counting-agent.ts'
import { callAgent, failRequest, findResponse } from './node-internals.ts'
import { readTarget, refuseCopies } from './read-target.ts'

/** Options of `createAgent`: how servers are identified, and how Node's own agent shares connections. */
export interface AgentOptions extends ClientOptions, Pick<HttpsAgentOptions, (typeof agentOptionNames)[number]> {}

const agentOptionNames = [
  'keepAliveMsecs',
  'maxFreeSockets',
  'maxSockets',
  'maxTotalSockets',
  'scheduling',
  'timeout',
] as const

/**
 * Creates an agent for `node:https`, axios, got and other clients that accept one. Each connection presents the current
 * certificate, and carries a request only once the server is verified and among `servers`. Connections are kept alive;
 * those of an old certificate get no further requests. Nothing is retried. Close it with `destroy()`.
 *
 * A request fails with a `CallError` if its server is unreachable or refused.
 *
 * @throws {ConfigurationError} the message names the option, its value and the fix
 * @throws {SourceError} if the source has no valid certificate
 * @example
 * const agent = createAgent(source, { servers: ['spiffe://saas.example/ns/production/sa/billing'] })
 * https.get('https://billing:8443/internal/billing/invoices', { agent }, (response) => response.pipe(process.stdout))
 */
export function createAgent(source: X509Source | SubjectSource, options: AgentOptions): Agent {
  const { dialer, timeoutMs, rest } = parseClientOptions(source, options, agentOptionNames, 'createAgent')
  return new DialingAgent(createDialer(source, dialer, 'createAgent'), timeoutMs, rest)
}

class DialingAgent extends CountingAgent {
  readonly #dialer: Dialer
  readonly #timeoutMs: number
  readonly #idle = new Set<Duplex>()
  #ending = createEnding()

  constructor(dialer: Dialer, timeoutMs: number, options: HttpsAgentOptions) {
    // The session cache belongs to Node's own connect, which is not used; sessions are not kept in any case. The last
    // two are for copies of these options, so that the environment cannot make a copy skip verification.
    super({
      ...options,
      keepAlive: true,
      maxCachedSessions: 0,
      checkServerIdentity: refuseCopies,
      rejectUnauthorized: true,
    })
    this.#dialer = dialer
    this.#timeoutMs = timeoutMs
    dialer.onStale((socket) => {
      if (this.#idle.delete(socket)) socket.destroy()
    })
    // Runs before Node's own listener, which would assign the socket to the next waiting request.
    this.prependListener('free', (socket: Duplex) => {
      if (socket instanceof TLSSocket && !this.#isUsable(socket)) socket.destroy()
    })
  }

  /** Checks every request, including those that reuse a connection. Overrides a method of Node that its types omit. */
  addRequest(request: ClientRequest, options: unknown): void {
    try {
      readTarget(options)
    } catch (error) {
      failRequest(request, error)
      return
    }
    callAgent('addRequest', this, [request, options])
  }

  override createConnection(options: unknown, done: Made = ignore): undefined {
    void this.#connect(options, done)
  }

  override keepSocketAlive(socket: Duplex): boolean {
    // Its types say that it returns nothing.
    const keeps: unknown = super.keepSocketAlive(socket)
    if (keeps !== true || !(socket instanceof TLSSocket) || !this.#isUsable(socket)) return false
    this.#idle.add(socket)
    return true
  }

  override reuseSocket(socket: Duplex, request: ClientRequest): void {
    this.#idle.delete(socket)
    super.reuseSocket(socket, request)
    const refusal = socket instanceof TLSSocket ? this.#dialer.refusalOf(socket) : undefined
    if (refusal === undefined) return
    // The clock was changed, or the source did not report an update: the request fails and is not sent.
    request.destroy(refusal)
    socket.destroy(refusal)
  }

  override destroy(): void {
    this.#dialer.close()
    this.#ending.abort('the agent was destroyed')
    this.#ending = createEnding()
    super.destroy()
  }

  #isUsable(socket: TLSSocket): boolean {
    return this.#dialer.isKept(socket) && this.#dialer.refusalOf(socket) === undefined
  }

  async #connect(options: unknown, done: Made): Promise<void> {
    let socket: TLSSocket
    try {
      socket = await this.#open(options)
    } catch (error) {
      // Node reads only the error.
      Reflect.apply(done, undefined, [error])
      return
    }
    done(null, socket)
  }

  async #open(options: unknown): Promise<TLSSocket> {
    const target = readTarget(options)
    const { signal } = this.#ending
    const protocols = ['http/1.1']
    const { socket } = await connect(this.#dialer, { ...target, protocols, timeoutMs: this.#timeoutMs, signal })
    socket.once('close', () => this.#idle.delete(socket))
    // Runs before Node's own listener, which treats the end of a socket as the end of a body without a length.
    socket.prependListener('error', (error: Error) => {
      const response = findResponse(socket)
      if (response?.complete === false) response.destroy(error)
    })
    return socket
  }
}

/** Node's callback for a new connection. */
type Made = (error: Error | null, stream: Duplex) => void

function createEnding(): AbortController {
  const ending = new AbortController()
  // Each connection being opened adds a listener.
  setMaxListeners(0, ending.signal)
  return ending
}

function ignore(): void {
  // There is no callback to notify.
}
