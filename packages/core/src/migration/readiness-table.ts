/** What is known about the requests of one caller that one rule or route decided in the same way. */
export interface ReadinessEntry {
  /** The text of the rule or route that decided. */
  readonly route: string
  /** The SPIFFE ID or name; for an anonymous caller, the application's name for it, or `anonymous`. */
  readonly caller: string
  /** What proved the caller. Only entries of the same credential are about the same caller. */
  readonly credential: 'x509-svid' | 'x509-subject' | 'forwarded' | 'asserted' | 'jwt-svid' | 'anonymous'
  readonly requests: number
  /** Epoch milliseconds. */
  readonly firstSeenAt: number
  /** Epoch milliseconds. */
  readonly lastSeenAt: number
  /** What strict mode would do with such a request. */
  readonly strict: 'allow' | 'deny'
}

/** Reports which callers are not ready for strict mode, over a period. */
export interface Readiness {
  readonly type: 'readiness'
  /** True if requests were seen, and strict mode would have allowed all of them. */
  readonly isReady: boolean
  /** Epoch milliseconds: the start of the period. It restarts with the process. */
  readonly since: number
  /** Epoch milliseconds: the end of the period, when the report was made. */
  readonly at: number
  /** Epoch milliseconds: when strict mode begins. */
  readonly deadline: number
  /** At most 1,000. Those that strict mode would deny come first. */
  readonly entries: readonly ReadinessEntry[]
  /** The requests that are in no entry, because there were too many callers and routes to list. */
  readonly others: {
    readonly requests: number
    /** How many of them strict mode would deny. Every anonymous one is counted here. */
    readonly denied: number
  }
}

/** An allowed request, as the table counts it. */
export type ReadinessNote = Pick<ReadinessEntry, 'route' | 'caller' | 'credential' | 'strict'>

/**
 * Counts the requests that permissive mode allows, by what strict mode would do with them. Names may come from
 * unauthenticated clients: the table bounds their number and length, and escapes what could forge a line of a report.
 */
export class ReadinessTable {
  readonly #since: number
  readonly #deadline: number
  /** By route, then by caller. */
  readonly #routes = new Map<string, Map<string, Count[]>>()
  #size = 0
  #otherRequests = 0
  #otherDenied = 0

  /** Starts the period at `since`, for a strict mode that begins at `deadline` (both epoch milliseconds). */
  constructor(since: number, deadline: number) {
    this.#since = since
    this.#deadline = deadline
  }

  /** Counts an allowed request. Runs for every request, and allocates nothing for a known route and caller. */
  note(entry: ReadinessNote, now: number): void {
    // Only escaped names become keys, so a name that is found needs no escaping.
    const known = findCount(this.#routes.get(entry.route)?.get(entry.caller), entry)
    if (known === undefined) this.#add(entry, now)
    else increment(known, now)
  }

  /** Reports what was counted until `now` (epoch milliseconds). */
  report(now: number): Readiness {
    const entries: ReadinessEntry[] = []
    for (const callers of this.#routes.values()) {
      for (const counts of callers.values()) for (const count of counts) entries.push(Object.freeze({ ...count }))
    }
    entries.sort(compareEntries)
    const isSeen = entries.length > 0
    return Object.freeze({
      type: 'readiness',
      isReady: isSeen && this.#otherDenied === 0 && entries.every(({ strict }) => strict === 'allow'),
      since: this.#since,
      at: now,
      deadline: this.#deadline,
      entries: Object.freeze(entries),
      others: Object.freeze({ requests: this.#otherRequests, denied: this.#otherDenied }),
    })
  }

  #add({ route: unsafeRoute, caller: unsafeCaller, credential, strict }: ReadinessNote, now: number): void {
    const route = escapeName(unsafeRoute)
    const caller = escapeName(unsafeCaller)
    const counts = this.#routes.get(route)?.get(caller)
    const known = findCount(counts, { credential, strict })
    if (known !== undefined) {
      increment(known, now)
      return
    }
    if (this.#size >= maxEntries) {
      this.#otherRequests += 1
      // An anonymous caller is not ready, whatever the rule would do.
      if (strict === 'deny' || credential === 'anonymous') this.#otherDenied += 1
      return
    }
    this.#size += 1
    const count = { route, caller, credential, requests: 1, firstSeenAt: now, lastSeenAt: now, strict }
    if (counts === undefined) this.#callersOf(route).set(caller, [count])
    else counts.push(count)
  }

  #callersOf(route: string): Map<string, Count[]> {
    const callers = this.#routes.get(route) ?? new Map<string, Count[]>()
    this.#routes.set(route, callers)
    return callers
  }
}

/** The largest number of entries. With the longest names, they take about a megabyte. */
const maxEntries = 1000

/** A mutable `ReadinessEntry`. */
type Count = { -readonly [Key in keyof ReadinessEntry]: ReadinessEntry[Key] }

// At most twelve: one for each credential and outcome.
function findCount(
  counts: readonly Count[] | undefined,
  { credential, strict }: Pick<ReadinessNote, 'credential' | 'strict'>,
): Count | undefined {
  if (counts === undefined) return undefined
  for (const count of counts) if (count.credential === credential && count.strict === strict) return count
  return undefined
}

function increment(count: Count, now: number): void {
  count.requests += 1
  // The clock may have been set back.
  if (now > count.lastSeenAt) count.lastSeenAt = now
}

/**
 * Escapes what is invisible in a name (control characters, line ends, marks that change the writing direction), and
 * cuts it to 256 characters. Returns a copy, because a slice would keep the whole original string in memory.
 */
function escapeName(name: string): string {
  const escaped = name
    .slice(0, longestName + 1)
    .replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)
  if (escaped.length <= longestName) return Buffer.from(escaped).toString()
  // Decoding replaces half of a surrogate pair at the cut.
  return `${Buffer.from(escaped.slice(0, longestName - 1)).toString()}…`
}

const longestName = 256

function compareEntries(a: ReadinessEntry, b: ReadinessEntry): number {
  if (a.strict !== b.strict) return a.strict === 'deny' ? -1 : 1
  return compareTexts(a.route, b.route) || compareTexts(a.caller, b.caller) || compareTexts(a.credential, b.credential)
}

function compareTexts(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
