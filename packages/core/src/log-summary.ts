import { addressGroup } from './address-group.ts'
import type { AuditEvent, AuthenticationEvent, CountersignEvent, DenialEvent } from './events.ts'

/**
 * A refused peer, or a request denied without a principal: any client that reaches the port can cause it. Also a would-be
 * denial: its caller does not notice it, and repeats it with every request.
 */
type FrequentEvent = AuditEvent | AuthenticationEvent | DenialEvent

/**
 * Summarizes the log entries that unauthenticated clients cause, and those of audit mode, so that a few bytes do not become a line
 * each. The first event of each client and reason is written, and so are those with a different detail, up to a limit.
 * The others are counted. The last of them is written with the count in `repeated`, ten seconds after the first event
 * and then once a minute while more arrive.
 *
 * Tracks at most 256 clients with 8 reasons each, and counts the rest together. Uses at most 8 MiB: if that is used up,
 * further clients and details are only counted.
 */
export class LogSummary {
  readonly #write: (event: CountersignEvent) => void
  readonly #clients = new Map<string, Map<string, Repeats>>()
  readonly #others = new Map<string, Repeats>()
  #timer: NodeJS.Timeout | undefined
  /** Lines written since the last turn. */
  #lines = 0
  #bytes = 0

  /** `write` must not throw. */
  constructor(write: (event: CountersignEvent) => void) {
    this.#write = write
  }

  /** The number of bytes in use, never less than V8 uses. */
  get bytes(): number {
    return this.#bytes
  }

  /** Writes an event, immediately or as part of a count. */
  note(event: CountersignEvent): void {
    if (!isFrequent(event)) {
      this.#write(event)
      return
    }
    const repeats = this.#find(event)
    const kind = kindOf(event)
    this.#timer ??= setTimeout(() => this.#turn(), turn).unref()
    const bytes = ofKind + 2 * kind.length
    if (
      this.#lines < mostLines &&
      repeats.kinds.size < mostKinds &&
      !repeats.kinds.has(kind) &&
      this.#bytes + bytes <= mostBytes - reserved
    ) {
      repeats.kinds.add(kind)
      repeats.bytes += bytes
      this.#bytes += bytes
      this.#lines += 1
      this.#write(event)
    } else {
      repeats.count += 1
      repeats.last = condense(event)
    }
  }

  /** Writes all counts immediately and resets them. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#lines = 0
    const repeats = [...this.#clients.values(), this.#others].flatMap((reasons) => [...reasons.values()])
    this.#clients.clear()
    this.#others.clear()
    this.#bytes = 0
    for (const each of repeats) this.#report(each)
  }

  #find(event: FrequentEvent): Repeats {
    const client = event.type === 'audit' ? cut(event.principal) : addressGroup(event.remoteAddress)
    const known = this.#clients.get(client)
    const { reason = '' } = event
    const own = known?.get(reason)
    if (own !== undefined) return own
    const hasRoom = this.#bytes + ofClient + ofRepeats <= mostBytes - reserved
    const isCounted = hasRoom && (known === undefined ? this.#clients.size < mostClients : known.size < mostReasons)
    const reasons = isCounted ? (known ?? new Map<string, Repeats>()) : this.#others
    if (isCounted && known === undefined) {
      this.#clients.set(client, reasons)
      this.#bytes += ofClient
    }
    const counted = reasons.get(reason)
    if (counted !== undefined) return counted
    const repeats = createRepeats(isCounted)
    reasons.set(reason, repeats)
    this.#bytes += repeats.bytes
    return repeats
  }

  #turn(): void {
    this.#timer = undefined
    this.#lines = 0
    for (const [client, reasons] of [...this.#clients, [undefined, this.#others] as const]) {
      for (const [reason, repeats] of reasons) {
        repeats.turns -= 1
        if (repeats.turns > 0) continue
        repeats.turns = longTurns
        // No events since the last report.
        if (repeats.count === 0) {
          reasons.delete(reason)
          this.#bytes -= repeats.bytes
        }
        this.#report(repeats)
      }
      if (client === undefined || reasons.size > 0) continue
      this.#clients.delete(client)
      this.#bytes -= ofClient
    }
    if (this.#clients.size > 0 || this.#others.size > 0) this.#timer ??= setTimeout(() => this.#turn(), turn).unref()
  }

  #report(repeats: Repeats): void {
    const { last, count, isOfOneClient } = repeats
    if (last === undefined || count === 0) return
    repeats.count = 0
    repeats.last = undefined
    const { remoteAddress, ...event } = last
    this.#write({ ...event, ...(isOfOneClient && remoteAddress !== undefined && { remoteAddress }), repeated: count })
  }
}

/** The events of one client with one reason. */
interface Repeats {
  /** The kinds of the events that were written. */
  readonly kinds: Set<string>
  readonly isOfOneClient: boolean
  /** The number of events that were not written. */
  count: number
  last: FrequentEvent | undefined
  /** Turns until the count is written. */
  turns: number
  /** The size of this object with the texts that it references, and with the longest event that `last` can be. */
  bytes: number
}

function createRepeats(isOfOneClient: boolean): Repeats {
  return { kinds: new Set(), isOfOneClient, count: 0, last: undefined, turns: 1, bytes: ofRepeats }
}

// Events of different kinds are worth a line each: another detail, or another claimed name.
function kindOf(event: FrequentEvent): string {
  const claimed = event.type === 'authentication' ? (event.spiffeId ?? event.subject ?? '') : ''
  return cut(`${event.type} ${event.detail ?? ''} ${claimed}`)
}

function isFrequent(event: CountersignEvent): event is FrequentEvent {
  if (event.type === 'audit') return true
  if (event.type === 'denial') return event.principal === undefined
  return event.type === 'authentication' && event.outcome === 'refused'
}

function condense(event: FrequentEvent): FrequentEvent {
  if (event.type !== 'authentication') {
    return { ...event, method: cut(event.method), path: cut(event.path), detail: cut(event.detail) }
  }
  const { detail, spiffeId, subject } = event
  return {
    ...event,
    ...(detail !== undefined && { detail: cut(detail) }),
    ...(spiffeId !== undefined && { spiffeId: cut(spiffeId) }),
    ...(subject !== undefined && { subject: cut(subject) }),
  }
}

// A copy, because a slice keeps the whole original string in memory.
function cut(text: string): string {
  return Buffer.from(text.slice(0, longestText)).toString()
}

/** Milliseconds. */
const turn = 10_000
const longTurns = 6
const mostClients = 256
const mostReasons = 8
const mostKinds = 16
const mostLines = 256
const longestText = 256

/** Bytes. */
const mostBytes = 8 * 1024 * 1024

/** For the counts of all further clients together, which need one entry for each reason. Reasons are a closed set. */
const reserved = 512 * 1024

// Bytes, measured on Node 20 to 26 with 64-bit pointers and rounded up.
const ofClient = 512
const ofRepeats = 2048
const ofKind = 96
