import { ConfigurationError, SourceError } from '../errors.ts'
import { describeValue, isCallable, isRecord } from '../options.ts'
import { FaultNotices } from '../trust/fault-notices.ts'
import type { OwnCertificate, SourceNotice, SubjectMaterial, X509Material, X509Source } from '../trust/x509-source.ts'

/** The operations on a kind of material that a source needs. */
export interface MaterialKind<Material> {
  /** Throws if the value is not such material. */
  readonly check: (material: unknown) => void
  readonly certificateOf: (material: Material) => OwnCertificate
  /**
   * Returns the new material with each unchanged part replaced by the existing object. Returns the existing material if
   * nothing changed.
   */
  readonly keepUnchanged: (last: Material, next: Material) => Material
}

/** The material that an owner replaces and withdraws, with its listeners. */
export class HeldMaterial<Material extends X509Material | SubjectMaterial> implements X509Source<Material> {
  readonly #kind: MaterialKind<Material>
  #content: Content<Material>
  #last: Material | undefined
  #isClosed = false
  readonly #updates = new Set<(material: Material) => void>()
  readonly #notices = new Set<(notice: SourceNotice) => void>()
  #standing: readonly SourceNotice[] = []
  readonly #faults = new FaultNotices()

  constructor(material: Material | undefined, kind: MaterialKind<Material>) {
    if (material !== undefined) kind.check(material)
    this.#kind = kind
    this.#content = material === undefined ? empty : hold(material, kind)
    this.#last = material
    if (material !== undefined) this.#faults.take(material, Date.now())
  }

  get current(): Material {
    const content = this.#content
    if (content.kind === 'empty') throw new SourceError('source_empty', 'the source has no material yet')
    if (content.kind === 'lost') throw content.error
    if (Date.now() < content.expiresAt) return content.material
    const ended = new Date(content.expiresAt).toISOString()
    throw new SourceError('source_expired', `our own certificate expired at ${ended}`)
  }

  onUpdate(listener: (material: Material) => void): () => void {
    checkListener(listener, 'onUpdate')
    if (!this.#isClosed) this.#updates.add(listener)
    return () => this.#updates.delete(listener)
  }

  onNotice(listener: (notice: SourceNotice) => void): () => void {
    checkListener(listener, 'onNotice')
    for (const notice of [...this.#faults.standing, ...this.#standing]) tell(listener, notice)
    if (!this.#isClosed) this.#notices.add(listener)
    return () => this.#notices.delete(listener)
  }

  replace(material: Material): void {
    this.#kind.check(material)
    if (this.#isClosed) return
    // Reported last, even if nothing else changed: the faults of a bundle do not affect its authorities.
    const notices = this.#faults.take(material, Date.now())
    this.#exchange(material)
    for (const notice of notices) for (const listener of this.#notices) tell(listener, notice)
  }

  #exchange(material: Material): void {
    const next = this.#last === undefined ? material : this.#kind.keepUnchanged(this.#last, material)
    if (this.#content.kind === 'valid' && next === this.#content.material) return
    this.#standing = this.#standing.filter((each) => isWarning(each) || each.trustDomain !== undefined)
    this.#content = hold(next, this.#kind)
    this.#last = next
    for (const listener of this.#updates) tell(listener, next)
  }

  withdraw(error: SourceError): void {
    if (!(error instanceof Error) || typeof error.code !== 'string') refuse('withdraw', error, 'a SourceError')
    if (this.#isClosed) return
    this.#content = { kind: 'lost', error }
    this.notify({ outcome: 'lost', code: error.code, detail: error.message })
  }

  notify(notice: Omit<SourceNotice, 'at'>): void {
    if (!isRecord(notice) || typeof notice.outcome !== 'string' || typeof notice.detail !== 'string') {
      refuse('notify', notice, 'a notice with outcome and detail')
    }
    if (this.#isClosed) return
    const told = Object.freeze({ ...notice, at: Date.now() })
    this.#standing =
      notice.outcome === 'recovered'
        ? this.#standing.filter((each) => isWarning(each) || each.trustDomain !== notice.trustDomain)
        : [...this.#standing, told].slice(-mostStanding)
    for (const listener of this.#notices) tell(listener, told)
  }

  close(): Promise<void> {
    this.withdraw(new SourceError('source_closed', 'the source is closed; keep it open while it is used'))
    this.#isClosed = true
    this.#updates.clear()
    this.#notices.clear()
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** What `current` returns or throws. */
type Content<Material> =
  | { readonly kind: 'empty' }
  /** `expiresAt` in epoch milliseconds, read once because every request needs it. */
  | { readonly kind: 'valid'; readonly material: Material; readonly expiresAt: number }
  | { readonly kind: 'lost'; readonly error: SourceError }

const empty: Content<never> = { kind: 'empty' }

function hold<Material>(material: Material, { certificateOf }: MaterialKind<Material>): Content<Material> {
  return { kind: 'valid', material, expiresAt: certificateOf(material).expiresAt }
}

function checkListener(listener: unknown, where: string): void {
  if (!isCallable(listener)) refuse(where, listener, 'a function')
}

function refuse(where: string, found: unknown, expected: string): never {
  throw new ConfigurationError('option_invalid', `${where}: found ${describeValue(found)}, expected ${expected}`)
}

function isWarning({ outcome }: SourceNotice): boolean {
  return outcome === 'warning'
}

/** The maximum number of earlier notices that a new listener receives. */
const mostStanding = 64

// A listener that throws must not keep the others on the old material. Its error becomes an uncaught exception.
function tell<Value>(listener: (value: Value) => void, value: Value): void {
  try {
    listener(value)
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
