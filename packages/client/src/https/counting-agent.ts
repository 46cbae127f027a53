import type { ClientRequest } from 'node:http'
import { Agent, type RequestOptions } from 'node:https'
import { Socket } from 'node:net'
import { addToTotalSockets, callAgent } from './node-internals.ts'

/** Node's callback for a new connection. */
type Made = (error: Error | null, socket?: Socket) => void

/**
 * An agent for connections that take a while to open. Node's own agent counts a connection only once it is open, so a
 * burst of requests would exceed `maxSockets`. It also leaves requests waiting forever if the connection they wait for
 * cannot be opened.
 */
export class CountingAgent extends Agent {
  readonly #failed = new WeakSet<ClientRequest>()

  /** Opens a connection for a request. Overrides a method of Node that its types omit. */
  createSocket(request: ClientRequest, options: RequestOptions, done: Made): void {
    const name = this.getName(options)
    const placeholder = this.#reserve(name)
    const made: Made = (error, socket) => {
      if (!error) {
        this.#release(name, placeholder)
        done(null, socket)
        return
      }
      this.#forget(name, request)
      // Two connections may have been opened for the same request.
      if (!this.#failed.has(request)) done(error)
      this.#failed.add(request)
      // Node counts down only when a socket closes, and this one was never opened.
      addToTotalSockets(this, -1)
      // Also opens a connection for the next waiting request.
      callAgent('removeSocket', this, [placeholder, options])
    }
    callAgent('createSocket', this, [request, options, made])
  }

  #reserve(name: string): Socket {
    const placeholder = new Socket({ writable: false })
    const open = this.sockets[name]
    if (open === undefined) Reflect.set(this.sockets, name, [placeholder])
    else open.push(placeholder)
    addToTotalSockets(this, 1)
    return placeholder
  }

  #release(name: string, placeholder: Socket): void {
    const open = this.sockets[name] ?? []
    const index = open.indexOf(placeholder)
    if (index === -1) return
    open.splice(index, 1)
    addToTotalSockets(this, -1)
  }

  #forget(name: string, request: ClientRequest): void {
    const waiting = this.requests[name]
    const index = waiting?.indexOf(request) ?? -1
    if (waiting === undefined || index === -1) return
    waiting.splice(index, 1)
    // Node assumes that an existing list has an entry.
    if (waiting.length === 0) Reflect.deleteProperty(this.requests, name)
  }
}
