import { CertificateError, type SpiffeErrorCode, SourceError } from '../../errors.ts'
import type { NoticingSource, SourceNotice } from '../../trust/x509-source.ts'
import type { RefusedBundle } from './file-bundles.ts'
import type { FilePlan } from './file-plan.ts'
import { FolderWatch } from './folder-watch.ts'
import { findOpenMode } from './key-permission.ts'
import type { MaterialLoader } from './material-loader.ts'
import { ReloadSchedule } from './reload-schedule.ts'
import type { ReplaceableSource } from '../replaceable-source.ts'
import { findInterests } from './watch-interests.ts'

/** Holds the material of files and exchanges it when they change; nobody else can. */
export class ReloadedSource<Material> implements NoticingSource<Material> {
  readonly #plan: FilePlan
  readonly #loader: MaterialLoader<Material>
  readonly #held: ReplaceableSource<Material>
  readonly #watch: FolderWatch
  readonly #schedule: ReloadSchedule
  /** What is wrong with the files and was reported already: our own by `ownFiles`, bundles by trust domain. */
  readonly #reported = new Map<string, string>()
  #openMode: string | undefined
  #watchFailure: string | undefined

  constructor(plan: FilePlan, loader: MaterialLoader<Material>, held: ReplaceableSource<Material>) {
    this.#plan = plan
    this.#loader = loader
    this.#held = held
    this.#schedule = new ReloadSchedule(plan.pollMs, (isRepetition) => this.#reload(isRepetition))
    this.#watch = new FolderWatch(() => this.#schedule.change())
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

  /** Begins to watch what was loaded, with what is wrong with the bundles among it. */
  async start(): Promise<void> {
    await this.#warnOfOpenKey()
    await this.#follow()
  }

  async close(): Promise<void> {
    this.#watch.close()
    await Promise.all([this.#held.close(), this.#schedule.close()])
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Whether it should be tried again soon, before anybody is told of a failure. */
  async #reload(isRepetition: boolean): Promise<boolean> {
    let isSuspect = false
    try {
      const { material, refusals } = await this.#loader.load()
      this.#held.replace(material)
      const failures = new Map(refusals.map((refusal) => [refusal.trustDomain, describeRefusal(refusal)]))
      this.#recover(failures)
      for (const [trustDomain, failure] of failures) {
        if (!this.#refuse(trustDomain, failure, isRepetition)) isSuspect = true
      }
    } catch (error) {
      isSuspect = !this.#refuse(ownFiles, describeFailure(error), isRepetition)
    }
    await this.#warnOfOpenKey()
    await this.#follow()
    return isSuspect
  }

  /** Whether everything is said. A set of files may be half-written, so a failure counts when it is there twice. */
  #refuse(of: string, { code, detail, state = '', error }: Failure, isRepetition: boolean): boolean {
    const failure = `${code}\n${detail}`
    if (failure === this.#reported.get(of)) return true
    const isRevoked = error instanceof CertificateError && error.code === 'bundle_revoked'
    if (!isRepetition && !isRevoked) return false
    this.#reported.set(of, failure)
    if (isRevoked) this.#held.withdraw(new SourceError('bundle_revoked', detail, { value: error.value, cause: error }))
    else this.#held.notify({ outcome: 'refused', code, detail: `${detail}${state}`, ...about(of) })
    return true
  }

  /** Reports what was refused and is no longer. */
  #recover(failures: ReadonlyMap<string, Failure>): void {
    for (const of of [...this.#reported.keys()].filter((name) => !failures.has(name))) {
      this.#reported.delete(of)
      const detail = of === ownFiles ? 'the files are good again' : `the bundle of ${of} can be read again`
      this.#held.notify({ outcome: 'recovered', detail, ...about(of) })
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

  async #follow(): Promise<void> {
    const { isNew, failure } = await this.#watch.follow(await findInterests(this.#plan))
    if (isNew) this.#schedule.change()
    this.#schedule.pollEvery(failure === undefined ? this.#plan.pollMs : fastPollMs)
    if (failure !== undefined && this.#watchFailure === undefined) {
      const detail = `${failure}; as long as that is so, the files are read each second`
      this.#held.notify({ outcome: 'warning', code: 'watching_failed', detail })
    }
    this.#watchFailure = failure
  }
}

const fastPollMs = 1000

/** No name of a trust domain. */
const ownFiles = ''

function about(of: string): { readonly trustDomain?: string } {
  return of === ownFiles ? {} : { trustDomain: of }
}

interface Failure {
  readonly code: SpiffeErrorCode
  readonly detail: string
  /** What holds instead: ends the message, and is not what makes it another one. */
  readonly state?: string
  readonly error: unknown
}

function describeFailure(error: unknown): Failure {
  if (error instanceof SourceError || error instanceof CertificateError) {
    return { code: error.code, detail: error.message, error }
  }
  return { code: 'update_refused', detail: `the files could not be loaded: ${String(error)}`, error }
}

function describeRefusal({ error, lastGoodAt }: RefusedBundle): Failure {
  const seconds = Math.max(0, Math.round((Date.now() - lastGoodAt) / 1000))
  const age =
    seconds < 120
      ? `${seconds} s`
      : seconds < 7200
        ? `${Math.round(seconds / 60)} min`
        : `${Math.round(seconds / 3600)} h`
  const moment = new Date(lastGoodAt).toISOString()
  return {
    code: error.code,
    detail: error.message,
    state: `; what was read ${age} ago (${moment}) stays in use`,
    error,
  }
}
