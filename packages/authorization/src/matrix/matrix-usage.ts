import { createRuleIndex } from '../rule-index.ts'
import { parsePath } from '../target.ts'
import { compareSpecificity } from './example-set.ts'
import type { MatrixColumn } from './matrix-columns.ts'

/** A request of a decision log. */
export interface LoggedRequest {
  /** Null for an anonymous caller. */
  readonly caller: string | null
  readonly method: string
  /** As received, with or without the query. */
  readonly path: string
  readonly effect: 'allow' | 'deny'
}

/** Which cells of a matrix the allowed requests of a log belong to. */
export class MatrixUsage {
  readonly #used = new Map<string | null, Set<MatrixColumn>>()

  constructor(columns: readonly MatrixColumn[], log: readonly LoggedRequest[]) {
    const indexed = columns
      .toSorted((one, other) => compareSpecificity(one.set, other.set) || rankOf(one) - rankOf(other))
      .map((column, index) => ({ column, index, methods: column.methods }))
    const index = createRuleIndex(indexed, ({ column }) => column.pattern)
    for (const { caller, method, path, effect } of log) {
      const target = effect === 'allow' ? parsePath(path) : undefined
      const found = target?.accepted === true ? index.find(target.path, method) : undefined
      if (found === undefined) continue
      const used = this.#used.get(caller) ?? new Set()
      this.#used.set(caller, used.add(found.column))
    }
  }

  /** Callers of a log have rows of their own, so a class is never used. */
  isUsed(kind: 'workload' | 'class' | 'anonymous', caller: string, column: MatrixColumn): boolean {
    if (kind === 'class') return false
    return this.#used.get(kind === 'anonymous' ? null : caller)?.has(column) === true
  }
}

// A column for one method comes before that for all others.
function rankOf({ methods }: MatrixColumn): number {
  return methods === undefined ? 1 : 0
}
