import type { Connection } from './connection.ts'
import { type ClosableSession, OpenStreams } from './open-streams.ts'

/** What the guard needs of a request to find its connection. Node's HTTP/1 and HTTP/2 requests both satisfy it. */
export interface ConnectedRequest {
  readonly httpVersionMajor: number
  readonly socket: object
  readonly stream?: { readonly session?: object | undefined } | undefined
}

// Stored on the socket or session itself, which is cheaper per request than any map. Only this file uses the symbol,
// and a request cannot set it.
const connectionOf: unique symbol = Symbol('countersign.connection')

// Marks the socket of a connection without TLS that this registry accepted.
const plaintextOf: unique symbol = Symbol('countersign.plaintext')

interface Carrier {
  readonly [connectionOf]?: Connection
  readonly [plaintextOf]?: ConnectionRegistry
}

/** Finds the connection of a request, and lists the open connections with a verified peer. */
export class ConnectionRegistry {
  readonly #open = new Set<Connection>()

  /** Makes a connection findable by its socket. A verified one is listed until it is removed. */
  add(connection: Connection): void {
    const { socket, verdict } = connection
    carry(socket, connection)
    if (verdict.ok) this.#open.add(connection)
  }

  /** Removes a connection that has closed from the list. */
  remove(connection: Connection): void {
    this.#open.delete(connection)
  }

  /** Makes the connection findable by its HTTP/2 session, because HTTP/2 requests do not expose the socket itself. */
  link(session: ClosableSession & { readonly socket: object }): void {
    // Node's proxy for a session's socket forwards unknown properties.
    const connection = this.#read(session.socket)
    if (connection === undefined) return
    connection.streams = new OpenStreams(session)
    carry(session, connection)
  }

  /** Returns the connection of a request, or undefined if this registry has none for it. */
  find(request: ConnectedRequest): Connection | undefined {
    return this.#read(request.httpVersionMajor < 2 ? request.socket : request.stream?.session)
  }

  /** Marks a connection without TLS as accepted, before any HTTP is read from it. */
  addPlaintext(socket: object): void {
    Reflect.defineProperty(socket, plaintextOf, { value: this })
  }

  /** Returns whether a request came over an accepted connection without TLS. */
  isPlaintext({ httpVersionMajor, socket }: ConnectedRequest): boolean {
    const carrier: Carrier = socket
    return httpVersionMajor < 2 && !('encrypted' in socket) && carrier[plaintextOf] === this
  }

  /** Iterates over the open connections with a verified peer. */
  listOpen(): IterableIterator<Connection> {
    return this.#open.values()
  }

  // A connection verified by another guard does not count here.
  #read(carrier: Carrier | undefined): Connection | undefined {
    const connection = carrier?.[connectionOf]
    return connection?.owner === this ? connection : undefined
  }
}

// Neither writable nor enumerable, so that copying a socket does not copy its verdict.
function carry(carrier: object, connection: Connection): void {
  Reflect.defineProperty(carrier, connectionOf, { value: connection })
}
