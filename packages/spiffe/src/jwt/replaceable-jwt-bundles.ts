import { ConfigurationError } from '../errors.ts'
import { describeValue, isCallable, isRecord } from '../options.ts'
import { describeFaults } from '../trust/bundle-fault.ts'
import type { SourceNotice } from '../trust/x509-source.ts'
import { JwtBundle } from './jwt-bundle.ts'
import type { JwtBundles, JwtBundleSource } from './jwt-bundle-source.ts'

/** A source of JWT bundles that reports notices, and can be closed. */
export interface NoticingJwtBundleSource extends JwtBundleSource {
  /**
   * Calls the listener with every notice of the source; those that still apply are delivered immediately. Returns a
   * function that removes the listener.
   */
  onNotice(listener: (notice: SourceNotice) => void): () => void
  /** Stops all activity. Afterwards `current` returns no bundle. */
  close(): Promise<void>
  /** Calls `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
}

/** A source whose owner can replace its bundles. The basis of every source that updates itself. */
export interface ReplaceableJwtBundles extends NoticingJwtBundleSource {
  /**
   * Replaces all bundles and notifies the listeners, unless nothing changed. A bundle with equal content stays the same
   * object. The faults of a new bundle become a notice. Does nothing after the source is closed.
   */
  replace(bundles: JwtBundles): void
  /** Notifies the listeners of something that does not change the bundles. */
  notify(notice: Omit<SourceNotice, 'at'>): void
}

/** Creates a source that holds these bundles until its owner replaces them. Default: none, so that it proves no one. */
export function createReplaceableJwtBundles(bundles: JwtBundles = new Map()): ReplaceableJwtBundles {
  return new HeldBundles(bundles)
}

class HeldBundles implements ReplaceableJwtBundles {
  #current: JwtBundles = new Map()
  #isClosed = false
  readonly #changes = new Set<() => void>()
  readonly #notices = new Set<(notice: SourceNotice) => void>()
  /** What new listeners receive: the last notice of each kind that still applies. */
  readonly #standing = new Map<string, SourceNotice>()

  constructor(bundles: JwtBundles) {
    this.replace(bundles)
  }

  current(): JwtBundles {
    return this.#current
  }

  onChange(listener: () => void): () => void {
    checkListener(listener, 'onChange')
    // A function of its own, so that a listener added twice is called twice.
    const call = (): void => listener()
    if (!this.#isClosed) this.#changes.add(call)
    return () => this.#changes.delete(call)
  }

  onNotice(listener: (notice: SourceNotice) => void): () => void {
    checkListener(listener, 'onNotice')
    for (const notice of this.#standing.values()) tell(() => listener(notice))
    if (!this.#isClosed) this.#notices.add(listener)
    return () => this.#notices.delete(listener)
  }

  replace(bundles: JwtBundles): void {
    checkBundles(bundles)
    if (this.#isClosed) return
    const last = this.#current
    const next = new Map([...bundles].map(([name, bundle]) => [name, keepUnchanged(last.get(name), bundle)]))
    if (next.size === last.size && [...next].every(([name, bundle]) => last.get(name) === bundle)) return
    this.#current = next
    for (const listener of this.#changes) tell(listener)
    for (const name of last.keys()) if (!next.has(name)) this.#standing.delete(faultsOf(name))
    for (const [name, bundle] of next) if (last.get(name) !== bundle) this.#reportFaults(bundle)
  }

  notify(notice: Omit<SourceNotice, 'at'>): void {
    const { outcome, trustDomain = '' } = notice
    this.#publish(outcome === 'warning' ? `warning ${notice.code}` : `failure ${trustDomain}`, notice)
  }

  close(): Promise<void> {
    this.replace(new Map())
    this.#isClosed = true
    this.#changes.clear()
    this.#notices.clear()
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #reportFaults({ trustDomain, keyIds, faults }: JwtBundle): void {
    const [first] = faults
    if (first === undefined) {
      this.#standing.delete(faultsOf(trustDomain))
      return
    }
    const left = keyIds.length
    const rest =
      left === 0
        ? 'it has no usable key, so none of its tokens are accepted'
        : `this is ignored; ${left} ${left === 1 ? 'key remains' : 'keys remain'} in use`
    const detail = `JWT bundle of ${trustDomain}: ${describeFaults(faults)}; ${rest}`
    this.#publish(faultsOf(trustDomain), { outcome: 'warning', code: first.code, trustDomain, detail })
  }

  #publish(kind: string, notice: Omit<SourceNotice, 'at'>): void {
    if (this.#isClosed) return
    const told = Object.freeze({ ...notice, at: Date.now() })
    if (notice.outcome === 'recovered') this.#standing.delete(kind)
    else this.#standing.set(kind, told)
    for (const listener of this.#notices) tell(() => listener(told))
  }
}

function faultsOf(trustDomain: string): string {
  return `faults ${trustDomain}`
}

function keepUnchanged(last: JwtBundle | undefined, next: JwtBundle): JwtBundle {
  const isSame = last?.fingerprint === next.fingerprint && describeFaults(last.faults) === describeFaults(next.faults)
  return isSame ? last : next
}

function checkBundles(bundles: unknown): void {
  const isMap = bundles instanceof Map
  if (isMap && [...bundles].every(([name, bundle]) => bundle instanceof JwtBundle && bundle.trustDomain === name))
    return
  refuse('bundles', bundles, 'a map of JwtBundle by the name of its trust domain')
}

function checkListener(listener: unknown, where: string): void {
  if (!isCallable(listener)) refuse(where, listener, 'a function')
}

function refuse(where: string, found: unknown, expected: string): never {
  const value = isRecord(found) ? undefined : found
  throw new ConfigurationError('option_invalid', `${where}: found ${describeValue(found)}, expected ${expected}`, {
    value,
  })
}

// A listener that throws must not keep the others on the old bundles. Its error becomes an uncaught exception.
function tell(call: () => void): void {
  try {
    call()
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
