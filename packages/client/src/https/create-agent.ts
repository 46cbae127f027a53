import type { ClientRequest } from 'node:http'
import { Agent, type AgentOptions as HttpsAgentOptions } from 'node:https'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { createDialer, type Dialer, type X509Source } from '@countersign/core'
import type { SubjectSource } from '@countersign/core'
import { type ClientOptions, parseClientOptions } from '../client-options.ts'
import { connect } from '../connect.ts'
import { readTarget } from './read-target.ts'

/** What `createAgent` takes: how servers are known, and of Node's own agent how connections are shared. */
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
 * Creates an agent for `node:https`, axios, got and whatever else takes one: each connection presents the current
 * certificate and carries a request only once the server is verified and among `servers`. Connections are kept alive;
 * those of an old certificate are given no further request. Nothing is retried. `destroy()` ends it.
 *
 * A request fails with a `CallError` when its server cannot be used.
 *
 * @throws {ConfigurationError} naming option, value and remedy
 * @throws {SourceError} when the source has no valid certificate
 * @example
 * const agent = createAgent(source, { servers: ['spiffe://saas.example/ns/production/sa/billing'] })
 * https.get('https://billing:8443/internal/billing/invoices', { agent }, (response) => response.pipe(process.stdout))
 */
export function createAgent(source: X509Source | SubjectSource, options: AgentOptions): Agent {
  const { dialer, timeoutMs, rest } = parseClientOptions(options, agentOptionNames, 'createAgent')
  return new DialingAgent(createDialer(source, dialer, 'createAgent'), timeoutMs, rest)
}

class DialingAgent extends Agent {
  readonly #dialer: Dialer
  readonly #timeoutMs: number
  readonly #idle = new Set<Duplex>()

  constructor(dialer: Dialer, timeoutMs: number, options: HttpsAgentOptions) {
    // The cache of sessions belongs to Node's way to connect, which is not used; none is kept in any case.
    super({ ...options, keepAlive: true, maxCachedSessions: 0 })
    this.#dialer = dialer
    this.#timeoutMs = timeoutMs
    dialer.onStale((socket) => {
      if (this.#idle.delete(socket)) socket.destroy()
    })
    // Before Node's own listener, which would give it to the next request that waits.
    this.prependListener('free', (socket: Duplex) => {
      if (socket instanceof TLSSocket && !dialer.isKept(socket)) socket.destroy()
    })
  }

  override createConnection(options: unknown, done?: (error: Error | null, stream: Duplex) => void): undefined {
    this.#connect(options).then(
      (socket) => done?.(null, socket),
      // Node reads the error alone.
      (error: unknown) => Reflect.apply(done ?? ignore, undefined, [error]),
    )
  }

  override keepSocketAlive(socket: Duplex): boolean {
    // Its types say that it gives nothing.
    const keeps: unknown = super.keepSocketAlive(socket)
    if (keeps !== true || !(socket instanceof TLSSocket) || !this.#dialer.isKept(socket)) return false
    this.#idle.add(socket)
    socket.once('close', () => this.#idle.delete(socket))
    return true
  }

  override reuseSocket(socket: Duplex, request: ClientRequest): void {
    this.#idle.delete(socket)
    super.reuseSocket(socket, request)
    const refusal = socket instanceof TLSSocket ? this.#dialer.refusalOf(socket) : undefined
    // The clock was set, or the source has no news: the request gets the error, and is not sent.
    if (refusal !== undefined) socket.destroy(refusal)
  }

  override destroy(): void {
    this.#dialer.close()
    super.destroy()
  }

  async #connect(options: unknown): Promise<TLSSocket> {
    const target = readTarget(options)
    const { socket } = await connect(this.#dialer, { ...target, protocols: ['http/1.1'], timeoutMs: this.#timeoutMs })
    return socket
  }
}

function ignore(): void {
  // There is nobody to tell.
}
