import type { SourceNotice } from '@countersign/spiffe'
import { describeThrown } from '@countersign/spiffe/options'
import type { JwtBundles, NoticingJwtBundleSource } from '@countersign/spiffe/jwt'

/**
 * JWT bundles that are fetched from the first access on, so that a service that accepts no tokens does not fetch
 * them. Until the agent has answered there are none, and no token is accepted.
 */
export class LazyJwtBundles {
  readonly #open: () => Promise<NoticingJwtBundleSource>
  readonly #changeListeners = new Set<() => void>()
  readonly #noticeListeners = new Set<(notice: SourceNotice) => void>()
  #opening: Promise<void> | undefined
  #opened: NoticingJwtBundleSource | undefined
  #isClosed = false

  /** `open` must not wait for the agent. */
  constructor(open: () => Promise<NoticingJwtBundleSource>) {
    this.#open = open
  }

  current(): JwtBundles {
    this.#start()
    return this.#opened?.current() ?? none
  }

  onChange(listener: () => void): () => void {
    this.#start()
    this.#changeListeners.add(listener)
    return () => this.#changeListeners.delete(listener)
  }

  onNotice(listener: (notice: SourceNotice) => void): () => void {
    this.#start()
    this.#noticeListeners.add(listener)
    return () => this.#noticeListeners.delete(listener)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#opening
    await this.#opened?.close()
  }

  #start(): void {
    if (this.#isClosed) return
    this.#opening ??= this.#follow()
  }

  async #follow(): Promise<void> {
    try {
      const opened = await this.#open()
      this.#opened = opened
      opened.onChange(() => {
        for (const listener of this.#changeListeners) listener()
      })
      opened.onNotice((notice) => {
        for (const listener of this.#noticeListeners) listener(notice)
      })
      if (this.#isClosed) await opened.close()
    } catch (error) {
      const detail = `the code for JWT bundles could not be loaded: ${describeThrown(error)}`
      for (const listener of this.#noticeListeners) listener({ outcome: 'refused', at: Date.now(), detail })
    }
  }
}

const none: JwtBundles = new Map()
