import type { SourceNotice } from '../../trust/x509-source.ts'
import { FolderWatch, type Interests } from './folder-watch.ts'
import { describeWatchFailure, fastPollMs } from './reload-failure.ts'
import { ReloadSchedule, type ScheduledLoad } from './reload-schedule.ts'

/** What a follower of files needs. */
export interface FollowerOptions {
  /** Milliseconds between loads without a notification. */
  readonly pollMs: number
  /** Returns where a change can affect the files. Called again after each load, because links may lead elsewhere. */
  readonly findInterests: () => Promise<Interests>
  /** Loads the files. Must not reject. Returns whether to load again soon. */
  readonly load: ScheduledLoad
  /** Receives the warning that files cannot be watched, once per failure. */
  readonly warn: (notice: Omit<SourceNotice, 'at'>) => void
}

/** Loads files when they change: after a notification, soon after a failed load, and at a regular interval. */
export class FileFollower {
  readonly #options: FollowerOptions
  readonly #watch: FolderWatch
  readonly #schedule: ReloadSchedule
  #failure: string | undefined

  constructor(options: FollowerOptions) {
    this.#options = options
    this.#schedule = new ReloadSchedule(options.pollMs, (isRepetition) => this.#load(isRepetition))
    this.#watch = new FolderWatch(() => this.#schedule.change())
  }

  /** Starts watching the files. A change since they were read causes a load. */
  async start(): Promise<void> {
    await this.#follow()
  }

  /** Stops, and waits for a running load. */
  async close(): Promise<void> {
    this.#watch.close()
    await this.#schedule.close()
  }

  async #load(isRepetition: boolean): Promise<boolean> {
    const isSoon = await this.#options.load(isRepetition)
    await this.#follow()
    return isSoon
  }

  async #follow(): Promise<void> {
    const { findInterests, pollMs, warn } = this.#options
    const { isNew, failure } = await this.#watch.follow(await findInterests())
    if (isNew) this.#schedule.change()
    this.#schedule.pollEvery(failure === undefined ? pollMs : fastPollMs)
    if (failure !== undefined && this.#failure === undefined) warn(describeWatchFailure(failure))
    this.#failure = failure
  }
}
