import type { Socket } from 'node:net'
import { addressGroup } from './address-group.ts'

/**
 * Tracks connections that have not sent a request yet. Their number is bounded, but a new one is never refused.
 * Instead, the oldest connection of the client with the most connections is closed. Therefore neither many nor slow
 * connections can lock out a kubelet, which needs a connection only briefly.
 */
export class IdleConnections {
  /** For each client, its connections and when each arrived (as `performance.now()`), oldest first. */
  readonly #byClient = new Map<string, Map<Socket, number>>()
  #size = 0
  #isSweepDue = false

  /** Adds a new connection until it closes or sends a request. */
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

  /** Removes a connection that has sent a request. */
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
    // Reads what arrived while the process was busy first.
    setTimeout(() => setImmediate(sweep, performance.now() - grace), grace).unref()
  }

  // Closes the oldest connection of the client with the most, if it arrived by `newest`, and returns whether it did.
  // That client is never skipped in favor of one with fewer connections, even if those are older.
  #evict(newest: number): boolean {
    let most = 0
    let victim: { readonly client: string; readonly socket: Socket; readonly cameAt: number } | undefined
    // Of several clients with equally many, the first one is chosen.
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

/** Each takes about 10 KiB. */
const maxSilent = 64

/**
 * Milliseconds for which a connection may wait to send its request, however many others connect. Node accepts a whole
 * backlog of 511 connections before it reads from the first of them.
 */
const grace = 250

/** Beyond this number, connections are closed even within that time. */
const maxNew = 1024
