import { SourceError } from '../errors.ts'
import type { X509Bundle } from '../trust/bundle.ts'
import type { X509Material, X509Source } from '../trust/x509-source.ts'

/** A source whose owner replaces what it holds: the common half of every source that is alive. */
export interface ReplaceableSource extends X509Source {
  /**
   * Puts other material in place and tells the listeners, unless nothing changed. Bundles of equal content stay the
   * same objects. Does nothing once the source is closed: an update may be on its way at that moment.
   */
  replace(material: X509Material): void
  /** Says that there is no material any more: `current` throws this until the next `replace`, or `close`. */
  withdraw(error: SourceError): void
}

/** Creates a source that holds this material until its owner replaces or withdraws it. */
export function createReplaceableSource(material: X509Material): ReplaceableSource {
  return new HeldMaterial(material)
}

class HeldMaterial implements ReplaceableSource {
  #held: X509Material | SourceError
  #last: X509Material
  #isClosed = false
  readonly #listeners = new Set<(material: X509Material) => void>()

  constructor(material: X509Material) {
    this.#held = material
    this.#last = material
  }

  get current(): X509Material {
    if (this.#held instanceof SourceError) throw this.#held
    return this.#held
  }

  onUpdate(listener: (material: X509Material) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  replace(material: X509Material): void {
    if (this.#isClosed) return
    const next = keepUnchanged(this.#last, material)
    if (next === this.#held) return
    this.#held = next
    this.#last = next
    for (const listener of this.#listeners) tell(listener, next)
  }

  withdraw(error: SourceError): void {
    if (!this.#isClosed) this.#held = error
  }

  close(): Promise<void> {
    this.#isClosed = true
    this.#listeners.clear()
    this.#held = new SourceError('source_closed', 'the source was closed, expected it to be open while it is used')
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

// One listener that throws must not keep the others on the old material; its error surfaces as an uncaught one.
function tell(listener: (material: X509Material) => void, material: X509Material): void {
  try {
    listener(material)
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}

/** The new material with every unchanged bundle, and the whole, replaced by the object that is there already. */
function keepUnchanged(last: X509Material, next: X509Material): X509Material {
  const bundles = new Map<string, X509Bundle>()
  for (const [trustDomain, bundle] of next.bundles) {
    const held = last.bundles.get(trustDomain)
    bundles.set(trustDomain, held?.fingerprint === bundle.fingerprint ? held : bundle)
  }
  const isSameChain = last.svid.certificatePem === next.svid.certificatePem
  const areSameBundles =
    bundles.size === last.bundles.size && [...bundles].every(([name, bundle]) => last.bundles.get(name) === bundle)
  if (isSameChain && areSameBundles) return last
  return Object.freeze({ svid: isSameChain ? last.svid : next.svid, bundles })
}
