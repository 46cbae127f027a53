import { hash } from 'node:crypto'
import { CertificateError } from '../errors.ts'
import { checkSize, maxBundleBytes, splitBundle } from './authorities.ts'
import { isBundleDocument, parseBundleDocument, type PublishedBundle } from './bundle-document.ts'
import { parseStrictJson } from './strict-json.ts'

/**
 * Reads the content of bundles and caches it by the hash of the input. All bundles arrive together whenever one of them
 * changes, even for our own rotation. Failures are cached too.
 */
export class PublishedBundles {
  #previous: ReadonlyMap<string, Result> = new Map()
  #current = new Map<string, Result>()

  /** Starts a new round and drops the bundles that the previous round did not use. */
  beginRound(): void {
    this.#previous = this.#current
    this.#current = new Map()
  }

  /**
   * Reads PEM, concatenated DER or a SPIFFE bundle document. Decodes no certificate.
   *
   * @param name the trust domain, for messages
   * @throws {CertificateError} as `splitBundle` and `parseBundleDocument`
   */
  read(name: string, input: string | Uint8Array): PublishedBundle {
    checkSize(name, input)
    const key = identify(input)
    const known = this.#find(key)
    // The message of an error contains the trust domain, so it is reused only for the same one.
    const isKnown = known !== undefined && (known.error === undefined || known.name === name)
    const result = isKnown ? known : attempt(name, input)
    this.#current.set(key, result)
    if (result.error !== undefined) throw result.error
    return result.bundle
  }

  /** Reads a bundle whose trust domain is unknown. Returns undefined for input that `read` rejects. */
  tryRead(input: string | Uint8Array): PublishedBundle | undefined {
    if (input.length > maxBundleBytes) return undefined
    const key = identify(input)
    const result = this.#find(key) ?? attempt('', input)
    this.#current.set(key, result)
    return result.bundle
  }

  #find(key: string): Result | undefined {
    return this.#current.get(key) ?? this.#previous.get(key)
  }
}

// The type is part of the key because text and bytes are read differently: text is never DER.
function identify(input: string | Uint8Array): string {
  return `${typeof input} ${hash('sha256', input)}`
}

type Result =
  | { readonly bundle: PublishedBundle; readonly error?: undefined }
  | { readonly name: string; readonly bundle?: undefined; readonly error: CertificateError }

function attempt(name: string, input: string | Uint8Array): Result {
  try {
    return { bundle: publishBundle(name, input) }
  } catch (error) {
    if (error instanceof CertificateError) return { name, error }
    throw error
  }
}

function publishBundle(name: string, input: string | Uint8Array): PublishedBundle {
  if (isBundleDocument(input)) return parseBundleDocument(name, parseStrictJson(input, `bundle of ${name}`))
  // A copy, so that the caller cannot change the cached bytes.
  const copy = typeof input === 'string' ? input : new Uint8Array(input)
  return { certificates: splitBundle(name, copy), sequence: undefined, refreshHintSeconds: undefined }
}
