/** How messages are prepared and taken. */
export interface PreparedMessagesOptions<Message> {
  /** Does in turns what taking this message would do at once; undefined where there is little to do. */
  readonly prepare: (message: Message) => Promise<void> | undefined
  /** Returns whether the message could be used. */
  readonly take: (message: Message) => boolean
}

/**
 * Takes messages in their order, each after it is prepared. Of those that come while one is being prepared the newest
 * counts, because each is the whole state (SPIFFE Workload API §4.3). The one that is being prepared is taken all the same:
 * a partner whose bundle never stops changing must not keep our own rotation from being taken.
 */
export class PreparedMessages<Message> {
  readonly #options: PreparedMessagesOptions<Message>
  #pending: Pending<Message> | undefined

  constructor(options: PreparedMessagesOptions<Message>) {
    this.#options = options
  }

  /** Takes a message, now or later; returns whether it could be used, and true while that is not known yet. */
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

  /** Forgets what was received and not taken yet. */
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
