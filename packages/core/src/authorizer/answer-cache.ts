import type { AuthorizerQuestion } from '@countersign/authorization'
import { BoundedMap } from '../connection/bounded-map.ts'
import type { AuthorizerVerdict } from './answer.ts'
import type { ParsedCache } from './authorizer.ts'

/** What every key contains besides what the application states. */
export interface KeyContext {
  /** The generation of the material under which the caller was proven. */
  readonly generation: number
  /** The proxy that forwarded the caller, if one did. */
  readonly proxy: string | undefined
}

/** A moment on two clocks: the steady one never goes back, and the other one goes on while the machine is suspended. */
export interface Moment {
  /** Epoch milliseconds. */
  readonly wall: number
  /** Milliseconds since any moment. */
  readonly steady: number
}

interface Kept {
  readonly verdict: AuthorizerVerdict
  readonly askedAt: Moment
}

/** Keeps answers of an authorizer, never failures, until their time is up. Bounded in bytes. */
export class AnswerCache {
  readonly #options: ParsedCache
  readonly #kept: BoundedMap<Kept>

  constructor(options: ParsedCache) {
    this.#options = options
    this.#kept = new BoundedMap(options.bounds)
  }

  /**
   * Returns the key of a question. The caller, its proof and the revision are part of every key, so that what the
   * application leaves out of its own part can never give one caller the answer about another.
   *
   * @returns undefined if the application's function returns anything else than a list of strings, or throws
   */
  createKey(question: AuthorizerQuestion, { generation, proxy }: KeyContext): string | undefined {
    const stated = readStated(() => this.#options.key(question))
    if (stated === undefined) return undefined
    const { principal, revision } = question
    const caller = principal === null ? null : [principal.name, principal.credential, ...principal.authorities]
    // As JSON, so that no two lists have the same text.
    return JSON.stringify([revision, generation, proxy, caller, stated])
  }

  /** Returns the answer that is kept, unless it is out of date on either clock. */
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

  /** Keeps an answer to a question that was asked at `askedAt`. */
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
