import type { SourceNotice } from '@countersign/spiffe'
import type { TrustState, MaterialGate, GuardSource } from './material-gate.ts'
import { callAt } from './long-timer.ts'

/** What a follower is told. */
export interface FollowerOptions {
  readonly source: GuardSource
  readonly material: MaterialGate
  /** Called after every change, with what holds now, once for all servers. */
  readonly onChange: (accepted: TrustState | undefined) => void
  readonly onNotice: (notice: SourceNotice) => void
  /** Called when the last server is gone and nothing is followed any more. */
  readonly onEnd: () => void
}

/**
 * Carries every change of the source to the attached servers and to whoever else must know: new material, its loss, and
 * the moment when our own certificate expires. Follows the source only while a server is there.
 */
export class SourceFollower {
  readonly #options: FollowerOptions
  readonly #servers = new Set<(accepted: TrustState | undefined) => void>()
  #stop: (() => void) | undefined
  #stopExpiry: () => void = () => undefined

  constructor(options: FollowerOptions) {
    this.#options = options
  }

  /** Gives a server what holds now, and then each change; gives the function that ends it. */
  add(apply: (accepted: TrustState | undefined) => void): () => void {
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
    const accepted = material.current(Date.now())
    const refresh = (): void => this.#refresh()
    this.#stopExpiry()
    this.#stopExpiry = accepted === undefined ? lookAgain(refresh) : callAt(accepted.own.expiresAt, refresh)
    for (const apply of this.#servers) apply(accepted)
    onChange(accepted)
  }
}

// Nobody tells that a clock which ran ahead was set right, nor does every source that it has recovered. In a length of
// time and not at a moment, because of that clock.
function lookAgain(refresh: () => void): () => void {
  const timer = setTimeout(refresh, 60_000).unref()
  return () => clearTimeout(timer)
}
