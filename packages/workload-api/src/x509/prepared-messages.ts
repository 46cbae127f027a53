/** How messages are prepared and processed. */
export interface PreparedMessagesOptions<Message> {
  /**
   * Does the work of `take` for this message ahead of time, in short turns. Returns undefined if there is little to do.
   */
  readonly prepare: (message: Message) => Promise<void> | undefined
  /** Returns whether the message could be used. */
  readonly take: (message: Message) => boolean
}

/**
 * Processes messages in their order, each after it is prepared. If several arrive while one is being prepared, only the
 * newest counts, because each contains the whole state (SPIFFE Workload API §4.3). The message that is being prepared
 * is always processed: a partner whose bundle changes constantly must not block our own rotation.
 */
export class PreparedMessages<Message> {
  readonly #options: PreparedMessagesOptions<Message>
  #pending: Pending<Message> | undefined

  constructor(options: PreparedMessagesOptions<Message>) {
    this.#options = options
  }

  /** Processes a message, now or later. Returns whether it could be used, or true if that is not known yet. */
  receive(message: Message): boolean {
    const { prepare, take } = this.#options
    if (this.#pending !== undefined) {
      this.#pending.newest = message
      return true
    }
    const preparation = prepare(message)
    if (preparation === undefined) return take(message)
    const pending: Pending<Message> = { prepared: message, newest: undefined }
    this.#pending = pending
    void preparation.then(() => {
      this.#pending = undefined
      if (pending.prepared !== undefined) take(pending.prepared)
      if (pending.newest !== undefined) this.receive(pending.newest)
    })
    return true
  }

  /** Discards the messages that were received but not processed yet. */
  drop(): void {
    if (this.#pending === undefined) return
    this.#pending.prepared = undefined
    this.#pending.newest = undefined
  }
}

interface Pending<Message> {
  prepared: Message | undefined
  newest: Message | undefined
}
