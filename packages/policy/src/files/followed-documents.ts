import type { PolicyNotice, PolicySet, PolicySource } from '@countersign/authorization'
import { SourceError } from '@countersign/spiffe'
import { FileFollower, findPathInterests } from '@countersign/spiffe/internal'
import { describeThrown, isCallable, refuseValue } from '@countersign/spiffe/options'
import { PolicyDocumentError } from '../document/policy-document-error.ts'
import { loadInWorker } from '../worker/run-worker.ts'
import type { DocumentPlan } from './file-options.ts'
import { isDocumentName, readDocuments, type ReadDocuments } from './read-documents.ts'

/** A source of policies that follows documents. */
export interface DocumentSource extends PolicySource {
  /** Calls `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
}

/** Holds the set of the documents, and replaces it when they change. */
export class FollowedDocuments implements DocumentSource {
  readonly #plan: DocumentPlan
  readonly #follower: FileFollower
  readonly #end = new AbortController()
  readonly #updates = new Set<(set: PolicySet) => void>()
  readonly #notices = new Set<(notice: PolicyNotice) => void>()
  /** Notices for new listeners: the refusal and the warning that still apply. */
  readonly #standing = new Map<'refused' | 'warning', PolicyNotice>()
  #current: PolicySet
  /** Content that differs from the current set and was only read once. */
  #pending: { readonly revision: string; readonly at: number } | undefined
  /** Content that was refused, so that an unchanged file is not parsed again at each poll. */
  #refused: { readonly revision: string; readonly error: PolicyDocumentError } | undefined

  private constructor(plan: DocumentPlan, first: PolicySet) {
    this.#plan = plan
    this.#current = first
    this.#follower = new FileFollower({
      pollMs: plan.pollMs,
      findInterests: () => findDocumentInterests(plan),
      load: (isRepetition) => this.#reload(isRepetition),
      warn: (notice) => this.#notify(notice),
    })
  }

  /** Loads the documents and starts following them. */
  static async open(plan: DocumentPlan): Promise<FollowedDocuments> {
    const source = new FollowedDocuments(plan, await loadSet(await readDocuments(plan.locations)))
    await source.#follower.start()
    return source
  }

  get current(): PolicySet {
    return this.#current
  }

  onUpdate(listener: (set: PolicySet) => void): () => void {
    return addListener(this.#updates, listener, 'onUpdate')
  }

  onNotice(listener: (notice: PolicyNotice) => void): () => void {
    const remove = addListener(this.#notices, listener, 'onNotice')
    for (const notice of this.#standing.values()) call(() => listener(notice))
    return remove
  }

  async close(): Promise<void> {
    this.#end.abort()
    this.#updates.clear()
    this.#notices.clear()
    await this.#follower.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Reads the documents. Returns true if they have to be read again soon, to confirm new content or a failure. */
  async #reload(isRepetition: boolean): Promise<boolean> {
    try {
      const read = await readDocuments(this.#plan.locations)
      if (read.revision !== this.#current.revision) {
        if (!this.#isConfirmed(read.revision)) return true
        await this.#replace(read)
      }
      this.#pending = undefined
      this.#recover()
      return false
    } catch (error) {
      if (this.#end.signal.aborted) return false
      return this.#fail(error, isRepetition)
    }
  }

  /** Returns true if the same content was read some time ago, so it is not a partially written file. */
  #isConfirmed(revision: string): boolean {
    const now = performance.now()
    if (this.#pending?.revision === revision) return now - this.#pending.at >= settledMs
    this.#pending = { revision, at: now }
    return false
  }

  async #replace(read: ReadDocuments): Promise<void> {
    if (this.#refused?.revision === read.revision) throw this.#refused.error
    const set = await loadSet(read, this.#end.signal).catch((error: unknown) => {
      if (error instanceof PolicyDocumentError && error.code === 'document_invalid') {
        this.#refused = { revision: read.revision, error }
      }
      throw error
    })
    this.#refused = undefined
    this.#current = set
    for (const listener of this.#updates) call(() => listener(set))
  }

  #fail(error: unknown, isRepetition: boolean): boolean {
    const isKnown = error instanceof SourceError || error instanceof PolicyDocumentError
    const code = isKnown ? error.code : 'load_failed'
    const detail = `${describeThrown(error)}; the last good set stays in use`
    const reported = this.#standing.get('refused')
    if (reported?.code === code && reported.detail === detail) return false
    // A file may be missing briefly while it is replaced. The content of a document was already confirmed.
    if (error instanceof SourceError && !isRepetition) return true
    this.#notify({ outcome: 'refused', code, detail })
    return false
  }

  #recover(): void {
    if (!this.#standing.has('refused')) return
    this.#notify({ outcome: 'recovered', detail: 'the documents are valid again' })
  }

  #notify(report: { readonly outcome: string; readonly code?: string; readonly detail: string }): void {
    const { detail, code } = report
    const outcome = report.outcome === 'refused' || report.outcome === 'recovered' ? report.outcome : 'warning'
    const notice: PolicyNotice = Object.freeze({ outcome, at: Date.now(), detail, ...(code !== undefined && { code }) })
    if (outcome === 'recovered') this.#standing.delete('refused')
    else this.#standing.set(outcome, notice)
    for (const listener of this.#notices) call(() => listener(notice))
  }
}

/** Shorter than the time after which a read is repeated. */
const settledMs = 400

async function loadSet({ files, revision }: ReadDocuments, signal?: AbortSignal): Promise<PolicySet> {
  const { rules, policies } = await loadInWorker(files, signal === undefined ? {} : { signal })
  return Object.freeze({ ...(rules !== undefined && { rules }), policies, revision })
}

function findDocumentInterests({ locations }: DocumentPlan): ReturnType<typeof findPathInterests> {
  const files = locations.filter(({ kind }) => kind !== 'folder').map(({ path }) => path)
  const folders = locations.filter(({ kind }) => kind !== 'file')
  return findPathInterests(
    files,
    folders.map(({ path }) => ({ path, isWorthALook: isDocumentName })),
  )
}

function addListener<Argument>(
  listeners: Set<(argument: Argument) => void>,
  listener: (argument: Argument) => void,
  where: string,
): () => void {
  if (!isCallable(listener)) refuseValue(where, listener, 'a function')
  // A function of its own, so that a listener added twice is called twice.
  const added = (argument: Argument): void => listener(argument)
  listeners.add(added)
  return () => void listeners.delete(added)
}

// If a listener throws, the others must still receive the new set. Its error becomes an uncaught exception.
function call(notify: () => void): void {
  try {
    notify()
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
