import type { DecisionEvent } from '../events.ts'

/**
 * Selects the decisions to write: all denials and would-be denials, with a limit for those without a principal, and a
 * sample of the others.
 */
export class DecisionSample {
  readonly #rate: number
  readonly #maxPerSecond: number
  readonly #random: () => number
  /** The kinds of allowed decisions already written, by the principal's name. */
  readonly #seen = new Map<string, Set<string>>()
  #bytes = 0
  #day = 0
  /** When the kinds were last cleared because there were too many. */
  #filledAt = 0
  #second = 0
  #strangers = 0

  /** `random` returns a number from 0, inclusive, to 1, exclusive. */
  constructor(rate: number, maxPerSecond: number, random: () => number = Math.random) {
    this.#rate = rate
    this.#maxPerSecond = maxPerSecond
    this.#random = random
  }

  /** An upper bound of the bytes that V8 uses. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * Returns the probability of writing such a decision if this one is to be written. Returns 0 if it is not in the
   * sample, and `over-limit` for a denial beyond the limit.
   */
  judge(event: DecisionEvent): number | 'over-limit' {
    if (event.effect === 'deny') return event.principal === undefined ? this.#judgeStranger(event.at) : 1
    if (event.wouldBe !== undefined || this.#isFirst(event)) return 1
    return this.#random() < this.#rate ? this.#rate : 0
  }

  /** Starts again: the next decision of each kind is written. */
  restart(): void {
    this.#seen.clear()
    this.#bytes = 0
  }

  /** Records that an allowed decision could not be written after all. */
  forget(event: Allowed): void {
    const kind = kindOf(event)
    if (this.#seen.get(event.principal ?? '')?.delete(kind) === true) this.#bytes -= sizeOf(undefined, kind)
  }

  #judgeStranger(at: number): 1 | 'over-limit' {
    const second = Math.floor(at / 1000)
    if (second !== this.#second) {
      this.#second = second
      this.#strangers = 0
    }
    this.#strangers += 1
    return this.#strangers > this.#maxPerSecond ? 'over-limit' : 1
  }

  #isFirst(event: Allowed): boolean {
    const day = Math.floor(event.at / millisecondsOfDay)
    if (day !== this.#day) {
      this.#day = day
      this.restart()
    }
    const principal = event.principal ?? ''
    const kind = kindOf(event)
    const known = this.#seen.get(principal)
    if (known?.has(kind) === true) return false
    if (this.#bytes + sizeOf(principal, kind) > mostBytes) {
      // When full, start again, so that a caller that appears late is also logged. Not more often than this interval,
      // because a caller with asserted names can invent any number of them.
      if (Math.abs(event.at - this.#filledAt) < restartInterval) return false
      this.#filledAt = event.at
      this.restart()
    }
    const kinds = this.#seen.get(principal)
    if (kinds === undefined) this.#seen.set(copyOf(principal), new Set([copyOf(kind)]))
    else kinds.add(copyOf(kind))
    this.#bytes += sizeOf(kinds === undefined ? principal : undefined, kind)
    return true
  }
}

type Allowed = Extract<DecisionEvent, { readonly effect: 'allow' }>

// After an update of the policies, the same index may be another rule.
function kindOf({ method, rule, policy, revision, credential }: Allowed): string {
  return `${method} ${rule ?? ''} ${credential ?? ''} ${revision ?? ''} ${policy ?? ''}`
}

// V8 keeps the whole string in memory for a slice of it, and both parts for a concatenation.
function copyOf(text: string): string {
  return Buffer.from(text, 'utf16le').toString('utf16le')
}

function sizeOf(principal: string | undefined, kind: string): number {
  return ofKind + 2 * kind.length + (principal === undefined ? 0 : ofPrincipal + 2 * principal.length)
}

/** Milliseconds. */
const millisecondsOfDay = 86_400_000
const restartInterval = 60_000

/** Bytes. */
const mostBytes = 2 * 1024 * 1024

// Bytes, measured on Node 20 to 26 with 64-bit pointers and rounded up.
const ofPrincipal = 512
const ofKind = 192
