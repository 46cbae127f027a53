import type { AuthorizerQuestion } from '@countersign/authorization'
import { BoundedMap } from '../connection/bounded-map.ts'
import type { AuthorizerVerdict } from './answer.ts'
import type { ParsedCache } from './authorizer.ts'

/** The part of every key that the application does not supply. */
export interface KeyContext {
  /** The generation of the material with which the caller was authenticated. */
  readonly generation: number
  /** The proxy that forwarded the caller, if one did. */
  readonly proxy: string | undefined
}

/** A time on two clocks. The steady clock never goes back; the wall clock continues while the machine is suspended. */
export interface Moment {
  /** Epoch milliseconds. */
  readonly wall: number
  /** Milliseconds since an arbitrary origin. */
  readonly steady: number
}

interface Kept {
  readonly verdict: AuthorizerVerdict
  readonly askedAt: Moment
}

/** Caches answers of an authorizer, but never failures, until they expire. Bounded in bytes. */
export class AnswerCache {
  readonly #options: ParsedCache
  readonly #kept: BoundedMap<Kept>

  constructor(options: ParsedCache) {
    this.#options = options
    this.#kept = new BoundedMap(options.bounds)
  }

  /**
   * Returns the key of a question. Every key contains the caller, its proof and the revision. So even if the
   * application's own part is incomplete, a caller never gets another caller's answer.
   *
   * @returns undefined if the application's function throws, or returns anything but a list of strings
   */
  createKey(question: AuthorizerQuestion, { generation, proxy }: KeyContext): string | undefined {
    const stated = readStated(() => this.#options.key(question))
    if (stated === undefined) return undefined
    const { principal, revision } = question
    const caller = principal === null ? null : [principal.name, principal.credential, ...principal.authorities]
    // As JSON, so that different lists have different keys.
    return JSON.stringify([revision, generation, proxy, caller, stated])
  }

  /** Returns the cached answer, unless it has expired on either clock. */
  find(key: string, now: Moment): AuthorizerVerdict | undefined {
    const kept = this.#kept.get(key)
    if (kept === undefined) return undefined
    const { askedAt, verdict } = kept
    const { ttl } = this.#options
    if (now.steady - askedAt.steady < ttl && now.wall - askedAt.wall < ttl) {
      this.#kept.refresh(key)
      return verdict
    }
    this.#kept.delete(key)
    return undefined
  }

  /** Caches an answer. Its lifetime begins at `askedAt`, when the call began. */
  keep(key: string, verdict: AuthorizerVerdict, askedAt: Moment): void {
    if (verdict.outcome !== 'allow' && verdict.outcome !== 'deny') return
    const reason = verdict.outcome === 'deny' ? (verdict.reason?.length ?? 0) : 0
    this.#kept.set(key, { verdict, askedAt }, ofEntry + 2 * (key.length + reason))
  }
}

function readStated(read: () => unknown): readonly string[] | undefined {
  try {
    const stated: unknown = read()
    if (!Array.isArray(stated)) return undefined
    const copy = Array.from<unknown>(stated)
    return copy.every((part) => typeof part === 'string') ? copy : undefined
  } catch {
    return undefined
  }
}

/** The size of an entry without its text, in bytes. */
const ofEntry = 256
