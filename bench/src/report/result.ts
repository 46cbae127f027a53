import type { Spread } from '../measure/spread.ts'

/** What a figure is counted in. */
export type Unit = 'ns' | 'µs' | 'ms' | '×' | 'B' | 'KiB' | 'MiB'

/** A figure with its unit. */
export interface Figure {
  readonly unit: Unit
  readonly spread: Spread
}

/** One line of what was measured. */
export interface Row extends Figure {
  readonly what: string
  /** Round by round against the row that the table names; absent for that row itself. */
  readonly ratio?: Spread
  readonly budget?: Budget
}

/** What a row promises: `line` is the line of the budget that it belongs to. */
export interface Budget {
  readonly line: BudgetLine
  /** What the last table calls it. */
  readonly what: string
  /** The most that the median may be, of the ratio or of the figure itself. */
  readonly most: number
  readonly of: 'ratio' | 'figure'
}

/** The lines of the budget, in order. */
export const budgetLines = [
  'server CPU per request, keep-alive mTLS',
  'authenticate and decide, one call',
  'an allowed decision allocates',
  'decision at 10,000 rules against 10',
  'new connection, certificate seen before',
  'new connection, certificate never seen',
  'memory per open connection',
  'caches are bounded',
  'from an update of the source to the first handshake with the new SVID',
] as const
export type BudgetLine = (typeof budgetLines)[number]

/** Rows that belong together. */
export interface Table {
  readonly title: string
  /** What the ratios are against. */
  readonly against?: string
  /** What has to be known to read it. */
  readonly note?: string
  readonly rows: readonly Row[]
}

/** Everything that one suite measured. */
export interface SuiteResult {
  readonly suite: string
  readonly seconds: number
  readonly tables: readonly Table[]
}

/** The figure that a budget is about. */
export function budgetedFigure({ unit, spread, ratio, budget }: Row): Figure {
  return budget?.of === 'ratio' && ratio !== undefined ? { unit: '×', spread: ratio } : { unit, spread }
}

/** Whether the median of a row is within its budget, if it has one. */
export function isMet(row: Row): boolean {
  return row.budget === undefined || budgetedFigure(row).spread.median <= row.budget.most
}

/** Whether a file holds what a suite measured. Only we write these files, so that a look at the outside is enough. */
export function isSuiteResult(value: unknown): value is SuiteResult {
  return (
    typeof value === 'object' && value !== null && 'suite' in value && 'tables' in value && Array.isArray(value.tables)
  )
}
