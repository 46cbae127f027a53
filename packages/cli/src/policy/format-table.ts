import { escapeInvisible } from '../output/escape-invisible.ts'

/** Formats rows as lines with aligned columns. The cells may contain text from outside. */
export function formatTable(rows: readonly (readonly string[])[]): readonly string[] {
  const cells = rows.map((row) => row.map(escapeInvisible))
  const widths = cells.reduce<readonly number[]>(
    (widest, row) => row.map((cell, column) => Math.max(widest[column] ?? 0, cell.length)),
    [],
  )
  return cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
