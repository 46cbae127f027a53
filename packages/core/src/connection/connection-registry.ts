import type { Connection } from './connection.ts'
import { type ClosableSession, OpenStreams } from './open-streams.ts'

/** What the guard needs of a request to find its connection; Node's HTTP/1 and HTTP/2 requests both have it. */
export interface ConnectedRequest {
  readonly httpVersionMajor: number
  readonly socket: object
  readonly stream?: { readonly session?: object | undefined } | undefined
}

// On the socket or the session itself: looking there costs a request less than any map. A symbol that only this file
// knows, and nothing of a request can set.
const connectionOf: unique symbol = Symbol('countersign.connection')

interface Carrier {
  readonly [connectionOf]?: Connection
}

/** Finds the connection of a request, and knows the verified connections that are open. */
export class ConnectionRegistry {
  readonly #open = new Set<Connection>()

  /** Makes a connection findable by its socket; a verified one is listed until it closes. */
  add(connection: Connection): void {
    const { socket, verdict } = connection
    carry(socket, connection)
    if (!verdict.ok) return
    this.#open.add(connection)
    socket.once('close', () => this.#open.delete(connection))
  }

  /** Makes the connection findable from an HTTP/2 session, whose requests never show the socket itself. */
  link(session: ClosableSession & { readonly socket: object }): void {
    // Node's stand-in for the socket of a session passes unknown properties through.
    const connection = this.#read(session.socket)
    if (connection === undefined) return
    connection.streams = new OpenStreams(session)
    carry(session, connection)
  }

  /** The connection of a request, or undefined if no peer was verified on it here. */
  find(request: ConnectedRequest): Connection | undefined {
    return this.#read(request.httpVersionMajor < 2 ? request.socket : request.stream?.session)
  }

  /** Iterates over the open connections whose peers were verified. */
  listOpen(): IterableIterator<Connection> {
    return this.#open.values()
  }

  // What another guard verified proves nothing here.
  #read(carrier: Carrier | undefined): Connection | undefined {
    const connection = carrier?.[connectionOf]
    return connection?.owner === this ? connection : undefined
  }
}

function carry(carrier: object, connection: Connection): void {
  Reflect.defineProperty(carrier, connectionOf, { value: connection })
}
