import { once } from 'node:events'
import { createServer, type ListenOptions, type Server, type Socket } from 'node:net'
import { ConfigurationError } from '@countersign/spiffe'
import { type AgentAddress, formatAgentAddress } from './agent-address.ts'
import { clearSocketPlace, nameBeside, placeSocket, removeSocket } from './socket-place.ts'

/** Listens at one address and can cut all of its connections. */
export class ConnectionListener {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #removeSocket: () => Promise<void> = () => Promise.resolve()

  constructor(onConnection: (socket: Socket) => void) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
      onConnection(socket)
    })
  }

  /**
   * Starts to listen. Returns the address with the actual port.
   *
   * @throws {ConfigurationError} `option_invalid` if the address is taken or not available
   */
  async listen(address: AgentAddress): Promise<AgentAddress> {
    if (address.transport === 'unix') await clearSocketPlace(address.path)
    try {
      if (address.transport === 'unix') await this.#listenAt(address.path)
      else await this.#bind({ host: '127.0.0.1', port: address.port })
    } catch (cause) {
      const endpoint = formatAgentAddress(address)
      const message = `endpoint: found ${endpoint}, where the agent cannot listen; expected a free address that this account may use`
      throw new ConfigurationError('option_invalid', message, { value: endpoint, cause })
    }
    const bound = this.#server.address()
    return typeof bound === 'object' && bound !== null ? { transport: 'tcp', port: bound.port } : address
  }

  /** Cuts every connection without sending anything. The socket is removed when the promise resolves. */
  async close(): Promise<void> {
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    try {
      await this.#removeSocket()
    } finally {
      this.#server.close()
      for (const socket of this.#sockets) socket.destroy()
      await closed
    }
  }

  // Node removes the file where it bound a socket, even if it now belongs to another server. Therefore bind to a
  // temporary name.
  async #listenAt(path: string): Promise<void> {
    const bound = nameBeside(path)
    await this.#bind({ path: bound })
    try {
      const inode = await placeSocket(bound, path)
      this.#removeSocket = () => removeSocket(path, inode)
    } catch (error) {
      await this.close()
      throw error
    }
  }

  async #bind(options: ListenOptions): Promise<void> {
    this.#server.listen(options)
    await once(this.#server, 'listening')
  }
}
