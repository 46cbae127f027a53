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
  /** The index of the rule that decided, if it is one of the same rules. */
  readonly rule?: number
}

/** Assigns the allowed requests of a log to the cells of a matrix. */
export class MatrixUsage {
  readonly #used = new Map<string | null, Set<MatrixColumn>>()
  readonly #rules = new Map<string | null, Set<number>>()

  constructor(columns: readonly MatrixColumn[], log: readonly LoggedRequest[]) {
    const indexed = columns
      .toSorted((one, other) => compareSpecificity(one.set, other.set) || rankOf(one) - rankOf(other))
      .map((column, index) => ({ column, index, methods: column.methods }))
    const index = createRuleIndex(indexed, ({ column }) => column.pattern)
    for (const { caller, method, path, effect, rule } of log) {
      if (effect === 'deny') continue
      const target = parsePath(path)
      const found = target.accepted ? index.find(target.path, method) : undefined
      if (found !== undefined) add(this.#used, caller, found.column)
      if (rule !== undefined) add(this.#rules, caller, rule)
    }
  }

  /**
   * Returns whether the log has an allowed request of a cell. Undefined if it only has another one of this caller by
   * the same rule: a log is a sample, and only the first request of each caller and rule is certain. Callers of a log
   * have rows of their own, so a class is never used.
   */
  isUsed(
    kind: 'workload' | 'class' | 'anonymous',
    name: string,
    column: MatrixColumn,
    rule: number | undefined,
  ): boolean | undefined {
    if (kind === 'class') return false
    const caller = kind === 'anonymous' ? null : name
    if (this.#used.get(caller)?.has(column) === true) return true
    return rule !== undefined && this.#rules.get(caller)?.has(rule) === true ? undefined : false
  }
}

function add<Key, Value>(sets: Map<Key, Set<Value>>, key: Key, value: Value): void {
  const known = sets.get(key)
  if (known === undefined) sets.set(key, new Set([value]))
  else known.add(value)
}

// A column for one method precedes the column for all other methods.
function rankOf({ methods }: MatrixColumn): number {
  return methods === undefined ? 1 : 0
}
