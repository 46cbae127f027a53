import { stripHeaders } from './forwarded/strip-headers.ts'

/** Which header lines are kept for later, and which headers no handler may see. */
export interface CarriedHeaders {
  /** In lower case. */
  readonly kept: ReadonlySet<string>
  /** In lower case. Empty if no proxy is configured: then no header is changed. */
  readonly stripped: ReadonlySet<string>
}

// Stored on the list of headers, which a framework's view of a request shares with the request itself. Only this file
// has the symbol, and the object names its list, so it can be neither forged nor moved to another request.
const carriedBy: unique symbol = Symbol('countersign.carried')

interface Carrier {
  [carriedBy]?: CarriedCredentials
}

/** What is needed of a request. Node's HTTP/1 and HTTP/2 requests both satisfy it. */
export interface CarryingRequest {
  /** Names and values in turns, as received. */
  readonly rawHeaders: readonly string[]
}

/**
 * The credentials that a request carries besides the certificate of its connection: the lines of the headers in which
 * they may be. Read once, before anything else sees the request, and with forwarded identities removed from it.
 */
export class CarriedCredentials {
  readonly #rawHeaders: readonly string[]
  readonly #lines: ReadonlyMap<string, readonly string[]>
  /** What waiting for a verification resulted in, so that no request waits twice for the same. */
  settled: unknown = undefined

  private constructor(rawHeaders: readonly string[], lines: ReadonlyMap<string, readonly string[]>) {
    this.#rawHeaders = rawHeaders
    this.#lines = lines
  }

  /** Returns what a request carries, and removes the headers that no handler may see. */
  static of(request: CarryingRequest, headers: CarriedHeaders): CarriedCredentials {
    const rawHeaders: readonly string[] & Carrier = request.rawHeaders
    const found = rawHeaders[carriedBy]
    if (found !== undefined && found.#rawHeaders === rawHeaders) return found
    const carried = new CarriedCredentials(rawHeaders, readLines(rawHeaders, headers.kept))
    if (headers.stripped.size > 0) stripHeaders(request, headers.stripped)
    rawHeaders[carriedBy] = carried
    return carried
  }

  /** Returns the values of all field lines with this lower-case name, in the order received. */
  lines(name: string): readonly string[] {
    return this.#lines.get(name) ?? none
  }
}

function readLines(rawHeaders: readonly string[], kept: ReadonlySet<string>): ReadonlyMap<string, readonly string[]> {
  const lines = new Map<string, string[]>()
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? '').toLowerCase()
    if (!kept.has(name)) continue
    const values = lines.get(name)
    if (values === undefined) lines.set(name, [rawHeaders[index + 1] ?? ''])
    else values.push(rawHeaders[index + 1] ?? '')
  }
  return lines
}

const none: readonly string[] = Object.freeze([])
