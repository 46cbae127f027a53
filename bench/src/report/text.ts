import { formatFigure, formatHalf, formatSureness } from './format.ts'
import { budgetedFigure, isMet, type Table } from './result.ts'

/** Formats a table for a terminal. */
export function formatText({ title, against, rows }: Table): string {
  const head = [
    title,
    'median',
    'middle half',
    ...(against === undefined ? [] : [`against ${against}`, 'median ±']),
    'budget',
    '',
  ]
  const body = rows.map((row) => {
    const { unit, spread, ratio, budget } = row
    return [
      row.what,
      formatFigure(spread.median, unit),
      formatHalf(spread, unit),
      ...(against === undefined
        ? []
        : [
            ratio === undefined ? '' : formatFigure(ratio.median, '×'),
            ratio === undefined ? '' : formatSureness(ratio, '×'),
          ]),
      budget === undefined ? '' : `≤ ${formatFigure(budget.most, budgetedFigure(row).unit)}`,
      budget === undefined ? '' : isMet(row) ? 'met' : 'NOT MET',
    ]
  })
  const widths = head.map((_, column) => Math.max(...[head, ...body].map((line) => line[column]?.length ?? 0)))
  const lay = (line: readonly string[]): string =>
    line
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd()
  return [lay(head), '-'.repeat(widths.reduce((sum, width) => sum + width + 2, -2)), ...body.map(lay)].join('\n')
}
