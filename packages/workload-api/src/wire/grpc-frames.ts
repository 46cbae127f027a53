/** Frames one uncompressed message for gRPC over HTTP/2, with its length. */
export function frameMessage(message: Uint8Array): Buffer {
  const head = Buffer.alloc(headBytes)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

/** Why frames are rejected. */
export type FrameError = 'compressed' | 'too_long'

/** Extracts messages from the bytes of a stream. */
export class FrameReader {
  readonly #longest: number
  #chunks: Buffer[] = []
  #length = 0

  /** @param longest the maximum length of a message, in bytes */
  constructor(longest: number) {
    this.#longest = longest
  }

  /** Whether there is no incomplete message. */
  get isEmpty(): boolean {
    return this.#length === 0
  }

  /**
   * Returns the messages that these bytes complete, or the error of a message. After an error, nothing more can be
   * read.
   */
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

  // Joins the chunks if the first one is shorter than this. Copies at most twice per message.
  #peek(length: number): Buffer {
    const [first] = this.#chunks
    if (first !== undefined && first.length >= length) return first
    const all = Buffer.concat(this.#chunks)
    this.#chunks = [all]
    return all
  }
}

const headBytes = 5
