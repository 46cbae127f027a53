import { type ReceivedHeaders, type StrippedLine, stripReceived } from './forwarded/strip-headers.ts'
import type { HeaderNames } from './header-names.ts'

/** What is needed of a request. Node's HTTP/1 and HTTP/2 requests both satisfy it. */
export interface CarryingRequest {
  /** Names and values in turns, as received. */
  readonly rawHeaders: readonly string[]
}

// Stored on the list of headers, which a framework's view of a request shares with the request itself. Only this file
// has the symbol, and the object names its list, so it can be neither forged nor moved to another request.
const carriedBy: unique symbol = Symbol('countersign.carried')

interface Carrier {
  [carriedBy]?: CarriedCredentials
}

/**
 * The credentials that a request carries besides the certificate of its connection: the lines of the headers in which
 * they may be. Read once, before anything else sees the request, and with forwarded identities removed from it.
 */
export class CarriedCredentials {
  /** The result of a verification that had to wait, so that no request waits twice for it. */
  settled: unknown = undefined
  readonly #rawHeaders: readonly string[]
  readonly #names: HeaderNames
  // Most requests carry none, or one.
  #lines: Map<string, string[]> | undefined
  #key: string | undefined

  private constructor(rawHeaders: readonly string[], names: HeaderNames) {
    this.#rawHeaders = rawHeaders
    this.#names = names
  }

  /** Returns what a request carries, and removes the headers that no handler may see. */
  static of(request: CarryingRequest, names: HeaderNames): CarriedCredentials {
    const rawHeaders: readonly string[] & Carrier = request.rawHeaders
    const found = rawHeaders[carriedBy]
    if (found !== undefined && found.#rawHeaders === rawHeaders) return found
    const carried = new CarriedCredentials(rawHeaders, names)
    const received = carried.#read()
    if (names.stripped.size > 0) stripReceived(request, names.stripped, received)
    rawHeaders[carriedBy] = carried
    return carried
  }

  /** Returns the values of all field lines with this lower-case name, in the order received. */
  lines(name: string): readonly string[] {
    return this.#lines?.get(name) ?? none
  }

  /**
   * Returns a short text that is the same for requests with the same lines of the identity headers. Others may share it:
   * compare with `hasIdentity`. This is rare, because the end of a certificate is its signature.
   */
  get identityKey(): string {
    return (this.#key ??= this.#createKey())
  }

  /** Returns the lines of the identity headers, for `hasIdentity`. Contains nothing else of the request. */
  get identityLines(): readonly (readonly string[])[] {
    return this.#names.forwarded.map((name) => this.lines(name))
  }

  /** Returns whether these are the lines of the identity headers. */
  hasIdentity(identityLines: readonly (readonly string[])[]): boolean {
    let at = 0
    for (const name of this.#names.forwarded) {
      const lines = this.lines(name)
      const others = identityLines[at] ?? none
      at += 1
      if (lines.length !== others.length) return false
      for (let index = 0; index < lines.length; index += 1) if (lines[index] !== others[index]) return false
    }
    return true
  }

  #createKey(): string {
    let key = ''
    for (const name of this.#names.forwarded) {
      const line = this.lines(name).at(-1) ?? ''
      key += `${line.length} ${line.slice(-keyLength)} `
    }
    return key
  }

  // One pass over all headers of every request, so it allocates only for what it keeps.
  #read(): ReceivedHeaders {
    const rawHeaders = this.#rawHeaders
    let stripped: StrippedLine[] | undefined
    let mayHaveTrailers = false
    for (let index = 0; index < rawHeaders.length; index += 2) {
      const { name, isKept, isStripped, announcesTrailers } = this.#names.roleOf(rawHeaders[index] ?? '')
      if (isKept) this.#keep(name, rawHeaders[index + 1] ?? '')
      if (isStripped) (stripped ??= []).push({ name, index })
      if (announcesTrailers) mayHaveTrailers = true
    }
    return { stripped: stripped ?? [], mayHaveTrailers }
  }

  #keep(name: string, value: string): void {
    this.#lines ??= new Map()
    const lines = this.#lines.get(name)
    if (lines === undefined) this.#lines.set(name, [value])
    else lines.push(value)
  }
}

const none: readonly string[] = Object.freeze([])

/** Characters of base64: 33 bytes of a signature. */
const keyLength = 44
