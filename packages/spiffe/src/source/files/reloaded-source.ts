import { CertificateError, SourceError } from '../../errors.ts'
import type { NoticingSource, SourceNotice } from '../../trust/x509-source.ts'
import type { FilePlan } from './file-plan.ts'
import { FileFollower } from './file-follower.ts'
import { findOpenMode } from './key-permission.ts'
import type { MaterialLoader } from './material-loader.ts'
import { causeOf, createRefusal, describeRefusal } from './reload-failure.ts'
import type { ReplaceableSource } from '../replaceable-source.ts'
import { advanceSourceState, isReported, type SourceStateEvent, startSourceState } from '../source-state.ts'
import { findInterests } from './watch-interests.ts'

/** Holds the material of files and replaces it when they change. No other code can replace it. */
export class ReloadedSource<Material> implements NoticingSource<Material> {
  readonly #plan: FilePlan
  readonly #loader: MaterialLoader<Material>
  readonly #held: ReplaceableSource<Material>
  readonly #follower: FileFollower
  #state = startSourceState('valid')
  #openMode: string | undefined

  constructor(plan: FilePlan, loader: MaterialLoader<Material>, held: ReplaceableSource<Material>) {
    this.#plan = plan
    this.#loader = loader
    this.#held = held
    this.#follower = new FileFollower({
      pollMs: plan.pollMs,
      findInterests: () => findInterests(plan),
      load: (isRepetition) => this.#reload(isRepetition),
      warn: (notice) => held.notify(notice),
    })
  }

  get current(): Material {
    return this.#held.current
  }

  onUpdate(listener: (material: Material) => void): () => void {
    return this.#held.onUpdate(listener)
  }

  onNotice(listener: (notice: SourceNotice) => void): () => void {
    return this.#held.onNotice(listener)
  }

  /** Starts watching the loaded files, and reports the faults of their bundles. */
  async start(): Promise<void> {
    await this.#warnOfOpenKey()
    await this.#follower.start()
  }

  async close(): Promise<void> {
    await Promise.all([this.#held.close(), this.#follower.close()])
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Returns whether to load again soon, before a failure is reported. */
  async #reload(isRepetition: boolean): Promise<boolean> {
    let isSuspect = false
    try {
      const { material, refusals } = await this.#loader.load()
      this.#held.replace(material)
      const failing = new Set(refusals.map(({ trustDomain }) => trustDomain))
      this.#apply({ type: 'available', detail: 'the files are valid again', failing })
      for (const refusal of refusals) {
        if (!this.#fail(describeRefusal(refusal), isRepetition)) isSuspect = true
      }
    } catch (error) {
      isSuspect = !this.#fail(describeFailure(error), isRepetition)
    }
    await this.#warnOfOpenKey()
    return isSuspect
  }

  /**
   * Returns whether the failure has been reported. Files may be half-written, so a failure is reported only when a
   * second load confirms it.
   */
  #fail(event: FailureEvent, isRepetition: boolean): boolean {
    const isConfirmed = isRepetition || event.type === 'withdrawn'
    if (!isConfirmed) return isReported(this.#state, event)
    this.#apply(event)
    return true
  }

  #apply(event: SourceStateEvent): void {
    const { state, notices } = advanceSourceState(this.#state, event)
    this.#state = state
    for (const notice of notices) {
      if (event.type === 'withdrawn' && notice.outcome === 'lost') this.#held.withdraw(event.error)
      else this.#held.notify(notice)
    }
  }

  async #warnOfOpenKey(): Promise<void> {
    const { own } = this.#plan
    const { option, path } = own.kind === 'pair' ? own.key : own.keyStore
    const detail = await findOpenMode(option, path)
    if (detail !== undefined && detail !== this.#openMode) {
      this.#held.notify({ outcome: 'warning', code: 'key_readable_by_all', detail })
    }
    this.#openMode = detail
  }
}

type FailureEvent = Extract<SourceStateEvent, { readonly type: 'failed' | 'withdrawn' }>

function describeFailure(error: unknown): FailureEvent {
  if (error instanceof CertificateError && error.code === 'bundle_revoked') {
    const { code, message, value } = error
    const loss = new SourceError('bundle_revoked', message, { value, cause: error })
    return { type: 'withdrawn', error: loss, cause: causeOf(code, message) }
  }
  if (error instanceof SourceError || error instanceof CertificateError) return createRefusal(error)
  return createRefusal({ code: 'update_refused', message: `the files could not be loaded: ${String(error)}` })
}
