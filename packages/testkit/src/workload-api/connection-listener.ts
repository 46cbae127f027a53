import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { ConfigurationError } from '@countersign/core'
import { type AgentAddress, formatAgentAddress } from './agent-address.ts'
import { clearSocketPlace, closeToOthers } from './socket-place.ts'

/** Listens at one address and can cut everything that came in there. */
export class ConnectionListener {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  constructor(onConnection: (socket: Socket) => void) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
      onConnection(socket)
    })
  }

  /**
   * Begins to listen; gives the address with the port that it got.
   *
   * @throws {ConfigurationError} `option_invalid` for an address that is taken or cannot be listened at
   */
  async listen(address: AgentAddress): Promise<AgentAddress> {
    if (address.transport === 'unix') await clearSocketPlace(address.path)
    try {
      this.#server.listen(
        address.transport === 'unix' ? { path: address.path } : { host: '127.0.0.1', port: address.port },
      )
      await once(this.#server, 'listening')
    } catch (cause) {
      const endpoint = formatAgentAddress(address)
      const message = `endpoint: found that ${endpoint} cannot be listened at, expected a free address that this account may use`
      throw new ConfigurationError('option_invalid', message, { value: endpoint, cause })
    }
    if (address.transport === 'unix') await closeToOthers(address.path)
    const bound = this.#server.address()
    return typeof bound === 'object' && bound !== null ? { transport: 'tcp', port: bound.port } : address
  }

  /** Cuts every connection without a word on it; the socket is gone when the promise is fulfilled. */
  async close(): Promise<void> {
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}
