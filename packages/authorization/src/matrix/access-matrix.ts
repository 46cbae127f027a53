import type { CompiledRequirement } from '../compile-requirement.ts'

/** A table of who may call what: one row for each caller or class of callers, one cell for each route. Plain data. */
export interface AccessMatrix {
  /** The policies that the matrix was made from, if they have a revision. */
  readonly revision?: string
  readonly routes: readonly MatrixRoute[]
  readonly rows: readonly MatrixRow[]
}

/** A column: the routes that it covers, and the example request that was decided. */
export interface MatrixRoute {
  /** `*` covers every method without a column of its own at this path. */
  readonly method: string
  /** A path or a pattern. A pattern covers the paths that match no more specific column. */
  readonly path: string
  /** The request that was decided on behalf of all of them. */
  readonly example: { readonly method: string; readonly path: string }
}

/** A caller, or a class of callers that no other row names. */
export interface MatrixRow {
  /** The name of the caller, or a description of the class: `any other workload of ns/production`. */
  readonly caller: string
  readonly kind: 'workload' | 'class' | 'anonymous'
  /** The caller that was decided on behalf of the class. It occurs nowhere in rules or policies. */
  readonly example?: string
  /** In the order of `routes`. */
  readonly cells: readonly MatrixCell[]
}

/** Whether a caller may call a route. */
export interface MatrixCell {
  /** `depends`: the decision depends on something only known for a request; `because` names it. */
  readonly effect: 'allow' | 'deny' | 'depends'
  readonly because: string
  /** The index of the rule that decided, if one did. */
  readonly rule?: number
  /** The name of the policy that decided, if one did. */
  readonly policy?: string
  /**
   * True if the log has an allowed request of this cell. Absent without a log, and for a denied cell. Also absent if
   * the log only has another request of this caller by the same rule, because a log is a sample.
   */
  readonly isUsed?: boolean
}

/** A route of the application. */
export interface AskedRoute {
  /** Default: each method that rules and policies distinguish. */
  readonly method?: string
  /** A path, or a pattern with `*`, `**` or parameters such as `:id`. */
  readonly path: string
  /** The route's own requirement, if it has one. */
  readonly allow?: CompiledRequirement | undefined
}
