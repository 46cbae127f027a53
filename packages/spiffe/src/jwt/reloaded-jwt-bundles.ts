import { SourceError } from '../errors.ts'
import { FolderWatch } from '../source/files/folder-watch.ts'
import type { FileSet } from '../source/files/read-files.ts'
import { createRefusal, describeRefusal, describeWatchFailure, fastPollMs } from '../source/files/reload-failure.ts'
import { ReloadSchedule } from '../source/files/reload-schedule.ts'
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
  readonly #set: FileSet
  readonly #pollMs: number
  readonly #loader: JwtBundleLoader
  readonly #held: ReplaceableJwtBundles
  readonly #watch: FolderWatch
  readonly #schedule: ReloadSchedule
  #state = startSourceState('valid')
  #watchFailure: string | undefined

  constructor({ set, pollMs, loader, bundles }: Start) {
    this.#set = set
    this.#pollMs = pollMs
    this.#loader = loader
    this.#held = createReplaceableJwtBundles(bundles)
    this.#schedule = new ReloadSchedule(pollMs, (isRepetition) => this.#reload(isRepetition))
    this.#watch = new FolderWatch(() => this.#schedule.change())
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
    await this.#follow()
  }

  async close(): Promise<void> {
    this.#watch.close()
    await Promise.all([this.#held.close(), this.#schedule.close()])
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
    await this.#follow()
    return isSuspect
  }

  #apply(event: SourceStateEvent): void {
    const { state, notices } = advanceSourceState(this.#state, event)
    this.#state = state
    for (const notice of notices) this.#held.notify(notice)
  }

  async #follow(): Promise<void> {
    const { isNew, failure } = await this.#watch.follow(await findInterests(this.#set))
    if (isNew) this.#schedule.change()
    this.#schedule.pollEvery(failure === undefined ? this.#pollMs : fastPollMs)
    if (failure !== undefined && this.#watchFailure === undefined) this.#held.notify(describeWatchFailure(failure))
    this.#watchFailure = failure
  }
}
