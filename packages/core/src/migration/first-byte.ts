import type { Socket } from 'node:net'

/** Reads the first byte of new connections, for a bounded time. */
export class FirstByte {
  readonly #timeoutMs: number
  readonly #waiting = new Set<Socket>()

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  /**
   * Calls back with the first byte, which remains unread. Destroys the connection if its peer closes it or sends nothing
   * in time; then `onByte` is not called.
   */
  read(socket: Socket, onByte: (byte: number) => void): void {
    this.#waiting.add(socket)
    const stop = (): void => {
      clearTimeout(timer)
      this.#waiting.delete(socket)
      socket.off('readable', look).off('end', abandon).off('close', stop)
    }
    const abandon = (): void => {
      stop()
      socket.destroy()
    }
    // 'readable' instead of 'data': no byte is taken from the connection before the next owner has its listeners.
    const look = (): void => {
      const data: unknown = socket.read()
      if (!(data instanceof Uint8Array)) return
      const [byte] = data
      stop()
      socket.unshift(data)
      if (byte !== undefined) onByte(byte)
    }
    const timer = setTimeout(abandon, this.#timeoutMs)
    socket.on('readable', look).on('end', abandon).on('close', stop)
  }

  /** Closes the connections that have sent nothing yet. */
  closeAll(): void {
    for (const socket of this.#waiting) socket.destroy()
  }
}
