import { SourceError } from '../errors.ts'
import { FileFollower } from '../source/files/file-follower.ts'
import type { FileSet } from '../source/files/read-files.ts'
import { createRefusal, describeRefusal } from '../source/files/reload-failure.ts'
import { findInterests } from '../source/files/watch-interests.ts'
import { advanceSourceState, isReported, type SourceStateEvent, startSourceState } from '../source/source-state.ts'
import type { SourceNotice } from '../trust/x509-source.ts'
import type { JwtBundleLoader } from './jwt-bundle-loader.ts'
import type { JwtBundles } from './jwt-bundle-source.ts'
import {
  createReplaceableJwtBundles,
  type NoticingJwtBundleSource,
  type ReplaceableJwtBundles,
} from './replaceable-jwt-bundles.ts'

/** What a source of files starts with. */
interface Start {
  readonly set: FileSet
  /** Milliseconds. */
  readonly pollMs: number
  readonly loader: JwtBundleLoader
  readonly bundles: JwtBundles
}

/** Holds the bundles of files and replaces them when they change. */
export class ReloadedJwtBundles implements NoticingJwtBundleSource {
  readonly #loader: JwtBundleLoader
  readonly #held: ReplaceableJwtBundles
  readonly #follower: FileFollower
  #state = startSourceState('valid')

  constructor({ set, pollMs, loader, bundles }: Start) {
    this.#loader = loader
    this.#held = createReplaceableJwtBundles(bundles)
    this.#follower = new FileFollower({
      pollMs,
      findInterests: () => findInterests(set),
      load: (isRepetition) => this.#reload(isRepetition),
      warn: (notice) => this.#held.notify(notice),
    })
  }

  current(): JwtBundles {
    return this.#held.current()
  }

  onChange(listener: () => void): () => void {
    return this.#held.onChange(listener)
  }

  onNotice(listener: (notice: SourceNotice) => void): () => void {
    return this.#held.onNotice(listener)
  }

  /** Starts watching the loaded files. */
  async start(): Promise<void> {
    await this.#follower.start()
  }

  async close(): Promise<void> {
    await Promise.all([this.#held.close(), this.#follower.close()])
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Returns whether to load again soon: a file may be half-written, so a failure is reported once it is confirmed. */
  async #reload(isRepetition: boolean): Promise<boolean> {
    let isSuspect = false
    const fail = (event: Extract<SourceStateEvent, { readonly type: 'failed' }>): void => {
      if (isRepetition) this.#apply(event)
      else isSuspect ||= !isReported(this.#state, event)
    }
    try {
      const { bundles, refusals } = await this.#loader.load(Date.now())
      this.#held.replace(bundles)
      const failing = new Set(refusals.map(({ trustDomain }) => trustDomain))
      this.#apply({ type: 'available', detail: 'the files are valid again', failing })
      for (const refusal of refusals) fail(describeRefusal(refusal))
    } catch (error) {
      if (!(error instanceof SourceError)) throw error
      fail(createRefusal(error))
    }
    return isSuspect
  }

  #apply(event: SourceStateEvent): void {
    const { state, notices } = advanceSourceState(this.#state, event)
    this.#state = state
    for (const notice of notices) this.#held.notify(notice)
  }
}
