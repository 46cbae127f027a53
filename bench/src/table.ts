import type { Spread } from './spread.ts'

/** One line of what was measured. */
export interface Row {
  readonly what: string
  readonly spread: Spread
  readonly unit: 'ns' | 'µs' | '×'
  /** The most that the median may be, in the same unit; absent where a figure only stands for comparison. */
  readonly budget?: number
}

/** Whether the median of a row is within its budget, if it has one. */
function isMet({ spread, budget }: Row): boolean {
  return budget === undefined || spread.median <= budget
}

/** Lays rows out as a table: median, middle half of the rounds, budget, and whether it is met. */
export function formatTable(title: string, rows: readonly Row[]): string {
  const cells = [
    [title, 'median', 'middle half', 'budget', ''],
    ...rows.map((row) => [
      row.what,
      format(row.spread.median, row.unit),
      `${format(row.spread.lower, row.unit)} – ${format(row.spread.upper, row.unit)}`,
      row.budget === undefined ? '' : `≤ ${format(row.budget, row.unit)}`,
      row.budget === undefined ? '' : isMet(row) ? 'met' : 'NOT MET',
    ]),
  ]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...cells.map((line) => line[column]?.length ?? 0)))
  const lay = (line: readonly string[]): string =>
    line
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
  const [head = [], ...body] = cells
  return [lay(head), '-'.repeat(lay(head).length + 'NOT MET'.length), ...body.map(lay)].join('\n')
}

function format(value: number, unit: Row['unit']): string {
  const digits = unit === '×' ? 3 : value < 1000 && unit === 'µs' ? 1 : 0
  const text = value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
  return `${text} ${unit}`
}
