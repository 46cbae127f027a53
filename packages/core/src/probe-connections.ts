import type { Socket } from 'node:net'
import { addressGroup } from './address-group.ts'

/**
 * Connections that have not asked anything yet. They are bounded, and a new one is never refused: the oldest one of the
 * client that has the most makes room. So neither many connections nor slow ones keep out a kubelet, which needs one for
 * a moment.
 */
export class IdleConnections {
  /** By client, each with the moment at which it came (of `performance.now()`), the oldest first. */
  readonly #byClient = new Map<string, Map<Socket, number>>()
  #size = 0
  #isSweepDue = false

  /** Adds a new connection until it closes or asks. */
  add(socket: Socket): void {
    const client = addressGroup(socket.remoteAddress)
    const sockets = this.#byClient.get(client) ?? new Map<Socket, number>()
    this.#byClient.set(client, sockets)
    sockets.set(socket, performance.now())
    this.#size += 1
    socket.once('close', () => this.#remove(client, socket))
    if (this.#size > maxNew) this.#evict(Infinity)
    else if (this.#size > maxSilent) this.#sweepLater()
  }

  /** Takes out a connection that has asked. */
  release(socket: Socket): void {
    this.#remove(addressGroup(socket.remoteAddress), socket)
  }

  #remove(client: string, socket: Socket): void {
    const sockets = this.#byClient.get(client)
    if (sockets?.delete(socket) !== true) return
    this.#size -= 1
    if (sockets.size === 0) this.#byClient.delete(client)
  }

  #sweepLater(): void {
    if (this.#isSweepDue) return
    this.#isSweepDue = true
    const sweep = (newest: number): void => {
      this.#isSweepDue = false
      while (this.#size > maxSilent && this.#evict(newest)) continue
      if (this.#size > maxSilent) this.#sweepLater()
    }
    // What arrived while the process was busy is read first.
    setTimeout(() => setImmediate(sweep, performance.now() - grace), grace).unref()
  }

  // Closes the oldest connection of the client that has the most, if it came by `newest`; returns whether it did. That
  // client is never passed over for one with fewer, whose connections may only be older.
  #evict(newest: number): boolean {
    let most = 0
    let victim: { readonly client: string; readonly socket: Socket; readonly cameAt: number } | undefined
    // Of clients with equally many the one that was here first.
    for (const [client, sockets] of this.#byClient) {
      const [[socket, cameAt] = []] = sockets
      if (socket === undefined || cameAt === undefined || sockets.size <= most) continue
      most = sockets.size
      victim = { client, socket, cameAt }
    }
    if (victim === undefined || victim.cameAt > newest) return false
    this.#remove(victim.client, victim.socket)
    victim.socket.destroy()
    return true
  }
}

/** About 10 KiB each. */
const maxSilent = 64

/**
 * Milliseconds that a connection has for its request whatever else connects. Node accepts a whole backlog of 511
 * connections before it reads from the first of them.
 */
const grace = 250

/** Beyond this, connections are closed within that time too. */
const maxNew = 1024
