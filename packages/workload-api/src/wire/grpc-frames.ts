/** Frames one message for gRPC over HTTP/2: not compressed, and its length. */
export function frameMessage(message: Uint8Array): Buffer {
  const head = Buffer.alloc(headBytes)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

/** What is wrong with frames. */
export type FrameError = 'compressed' | 'too_long'

/** Takes messages out of the bytes of a stream. */
export class FrameReader {
  readonly #longest: number
  #chunks: Buffer[] = []
  #length = 0

  /** Takes the length of the longest message, in bytes. */
  constructor(longest: number) {
    this.#longest = longest
  }

  /** Whether no part of a message is left. */
  get isEmpty(): boolean {
    return this.#length === 0
  }

  /** The messages that are complete with these bytes, or what is wrong with one; after that nothing can be read. */
  push(bytes: Buffer): readonly Buffer[] | FrameError {
    this.#chunks.push(bytes)
    this.#length += bytes.length
    const messages: Buffer[] = []
    while (this.#length >= headBytes) {
      const head = this.#peek(headBytes)
      const length = head.readUInt32BE(1)
      if (head[0] !== 0) return 'compressed'
      if (length > this.#longest) return 'too_long'
      if (this.#length < headBytes + length) break
      const frame = this.#peek(headBytes + length)
      messages.push(frame.subarray(headBytes, headBytes + length))
      const rest = frame.subarray(headBytes + length)
      this.#chunks = rest.length === 0 ? [] : [rest]
      this.#length = rest.length
    }
    return messages
  }

  // Puts the chunks together that begin with so many bytes, and no more often than twice for each message.
  #peek(length: number): Buffer {
    const [first] = this.#chunks
    if (first !== undefined && first.length >= length) return first
    const all = Buffer.concat(this.#chunks)
    this.#chunks = [all]
    return all
  }
}

const headBytes = 5
