import { formatFigure, formatHalf, formatSureness } from './format.ts'
import { budgetedFigure, budgetLines, isMet, type SuiteResult, type Table } from './result.ts'

/** Formats a table of a suite as Markdown. */
export function formatMarkdown({ title, against, note, rows }: Table): string {
  const withRatio = rows.some(({ ratio }) => ratio !== undefined)
  const head = [
    '',
    'median',
    'middle half',
    ...(withRatio ? [`against ${against}`, '95 % interval'] : ['95 % interval']),
  ]
  const lines = rows.map(({ what, unit, spread, ratio }) => [
    what,
    formatFigure(spread.median, unit),
    formatHalf(spread, unit),
    ...(withRatio
      ? [
          ratio === undefined ? '' : formatFigure(ratio.median, '×'),
          ratio === undefined ? '' : formatSureness(ratio, '×'),
        ]
      : [formatSureness(spread, unit)]),
  ])
  return [`### ${title}`, ...(note === undefined ? [] : ['', note]), '', layOut(head, lines)].join('\n')
}

/** The last table: each line of the budget, its measurement, and whether it is met. */
export function formatBudget(results: readonly SuiteResult[]): string {
  const rows = results.flatMap(({ tables }) => tables.flatMap((table) => table.rows))
  const lines = budgetLines.flatMap((line) => {
    const own = rows.filter(({ budget }) => budget?.line === line)
    if (own.length === 0) return [[line, '', '', '', '', 'not measured']]
    return own.map((row) => {
      const { unit, spread } = budgetedFigure(row)
      return [
        line,
        row.budget?.what ?? row.what,
        `≤ ${formatFigure(row.budget?.most ?? Number.NaN, unit)}`,
        formatFigure(spread.median, unit),
        formatSureness(spread, unit),
        isMet(row) ? 'met' : '**NOT MET**',
      ]
    })
  })
  return layOut(['', 'case', 'budget', 'measured', '95 % interval', ''], lines)
}

function layOut(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const rule = head.map((_, column) => (column === 0 ? '---' : '--:'))
  return [head, rule, ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
