import type { SourceNotice } from '@countersign/spiffe'
import type { TrustState, MaterialGate, GuardSource } from './material-gate.ts'
import { callAt } from './long-timer.ts'

/** What a follower uses and calls. */
export interface FollowerOptions {
  readonly source: GuardSource
  readonly material: MaterialGate
  /** Called after every change, once for all servers, with the material that is valid now. */
  readonly onChange: (trustState: TrustState | undefined) => void
  readonly onNotice: (notice: SourceNotice) => void
  /** Called when the last server is gone and the source is no longer followed. */
  readonly onEnd: () => void
}

/**
 * Passes every change of the source to the attached servers and the guard: new material, its loss, and the expiry of
 * our own certificate. Follows the source only while there is a server.
 */
export class SourceFollower {
  readonly #options: FollowerOptions
  readonly #servers = new Set<(trustState: TrustState | undefined) => void>()
  #stop: (() => void) | undefined
  #stopExpiry: () => void = () => undefined

  constructor(options: FollowerOptions) {
    this.#options = options
  }

  /** Calls `apply` with the current material and then after each change. Returns a function that stops this. */
  add(apply: (trustState: TrustState | undefined) => void): () => void {
    this.#servers.add(apply)
    if (this.#stop === undefined) this.#start()
    else apply(this.#options.material.current(Date.now()))
    return () => {
      this.#servers.delete(apply)
      if (this.#servers.size === 0) this.#end()
    }
  }

  #start(): void {
    const { source } = this.#options
    const refresh = (): void => this.#refresh()
    const stopUpdates = source.onUpdate(refresh)
    const stopNotices = source.onNotice?.((notice) => this.#tell(notice))
    this.#stop = () => {
      stopUpdates()
      stopNotices?.()
    }
    this.#options.material.setFollowed(true)
    refresh()
  }

  #tell(notice: SourceNotice): void {
    const { material, onNotice } = this.#options
    if (notice.outcome === 'lost') this.#refresh()
    else if (material.receive(notice)) onNotice(notice)
  }

  #end(): void {
    this.#stop?.()
    this.#stop = undefined
    this.#options.material.setFollowed(false)
    this.#stopExpiry()
    this.#options.onEnd()
  }

  #refresh(): void {
    const { material, onChange } = this.#options
    const trustState = material.current(Date.now())
    // `current` may have reported a loss, and the application's `log` may have closed the last server.
    if (this.#stop === undefined) return
    const refresh = (): void => this.#refresh()
    this.#stopExpiry()
    this.#stopExpiry = trustState === undefined ? lookAgain(refresh) : callAt(trustState.own.expiresAt, refresh)
    for (const apply of this.#servers) apply(trustState)
    onChange(trustState)
  }
}

// Not every source reports that it has recovered, and a corrected clock is not reported at all. Uses a delay rather
// than a time of day, because that clock may be wrong.
function lookAgain(refresh: () => void): () => void {
  const timer = setTimeout(refresh, 60_000).unref()
  return () => clearTimeout(timer)
}
