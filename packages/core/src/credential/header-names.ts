/** What a header of a request is for. */
export interface HeaderRole {
  /** In lower case. */
  readonly name: string
  /** Its lines are kept, because they may hold a credential. */
  readonly isKept: boolean
  /** No handler may see it. */
  readonly isStripped: boolean
  /** It announces that trailers may follow. */
  readonly announcesTrailers: boolean
}

/** Which headers a guard reads, and which it removes. */
export class HeaderNames {
  /** The headers that state a forwarded identity, in lower case. */
  readonly forwarded: readonly string[]
  /** The headers that no handler may see, in lower case. */
  readonly stripped: ReadonlySet<string>
  readonly #kept: ReadonlySet<string>
  // By the name as received, because comparing in lower case would cost more than everything else.
  readonly #roles = new Map<string, HeaderRole>()

  /** All names are in lower case. `tokens` are those that may hold a token. */
  constructor(forwarded: readonly string[], stripped: readonly string[], tokens: readonly string[]) {
    this.forwarded = forwarded
    this.stripped = new Set(stripped)
    this.#kept = new Set([...forwarded, ...tokens])
  }

  /** Returns the role of a header, by its name as received. */
  roleOf(received: string): HeaderRole {
    const known = this.#roles.get(received)
    if (known !== undefined) return known
    const role = this.#findRole(received.toLowerCase())
    // Clients choose the names that they send, so only the spellings of known names are kept, which are limited.
    if (this.#roles.size < mostNames && received.length <= longestName) this.#roles.set(received, role)
    return role
  }

  #findRole(name: string): HeaderRole {
    const isKept = this.#kept.has(name)
    const isStripped = this.stripped.has(name)
    const announcesTrailers = name === 'transfer-encoding'
    if (!isKept && !isStripped && !announcesTrailers) return noRole
    return Object.freeze({ name, isKept, isStripped, announcesTrailers })
  }
}

const noRole: HeaderRole = Object.freeze({ name: '', isKept: false, isStripped: false, announcesTrailers: false })

const mostNames = 512
const longestName = 64
