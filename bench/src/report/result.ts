import type { Spread } from '../measure/spread.ts'

/** The unit of a figure. */
export type Unit = 'ns' | 'µs' | 'ms' | '×' | 'B' | 'KiB' | 'MiB'

/** A figure with its unit. */
export interface Figure {
  readonly unit: Unit
  readonly spread: Spread
}

/** One measurement. */
export interface Row extends Figure {
  readonly what: string
  /** The ratio to the row that the table names, round by round; absent for that row itself. */
  readonly ratio?: Spread
  readonly budget?: Budget
  /** True if `npm run bench:check` compares the ratio with the baseline, whatever the budget is of. */
  readonly isChecked?: true
}

/** The budget of a row; `line` is its line in the budget table. */
export interface Budget {
  readonly line: BudgetLine
  /** Its name in the last table. */
  readonly what: string
  /** The maximum for the median, of the ratio or of the figure itself. */
  readonly most: number
  readonly of: 'ratio' | 'figure'
}

/** The lines of the budget, in order. */
export const budgetLines = [
  'server CPU per request, keep-alive mTLS',
  'authenticate and decide, one call',
  'an allowed decision allocates',
  'decision at 10,000 rules against 10',
  'decision at 10,000 policies against 10',
  'a forwarded certificate, seen before',
  'new connection, certificate seen before',
  'new connection, certificate never seen',
  'memory per open connection',
  'caches are bounded',
  'from an update of the source to the first handshake with the new SVID',
  'import of core and an adapter, CPU',
  'from the start of the process to listening, CPU beyond the bare service',
] as const
export type BudgetLine = (typeof budgetLines)[number]

/** Related rows. */
export interface Table {
  readonly title: string
  /** The row that the ratios refer to. */
  readonly against?: string
  /** A note that is needed to read the table. */
  readonly note?: string
  readonly rows: readonly Row[]
}

/** The results of one suite. */
export interface SuiteResult {
  readonly suite: string
  readonly seconds: number
  readonly tables: readonly Table[]
}

/** The figure that a budget limits. */
export function budgetedFigure({ unit, spread, ratio, budget }: Row): Figure {
  return budget?.of === 'ratio' && ratio !== undefined ? { unit: '×', spread: ratio } : { unit, spread }
}

/** Returns whether the median of a row is within its budget, if it has one. */
export function isMet(row: Row): boolean {
  return row.budget === undefined || budgetedFigure(row).spread.median <= row.budget.most
}

/**
 * Returns whether a file contains the results of a suite. Only we write these files, so a check of the outer structure
 * is enough.
 */
export function isSuiteResult(value: unknown): value is SuiteResult {
  return (
    typeof value === 'object' && value !== null && 'suite' in value && 'tables' in value && Array.isArray(value.tables)
  )
}
