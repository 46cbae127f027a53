import { readFile, writeFile } from 'node:fs/promises'
import { isObject } from '../measure/is-object.ts'
import { budgetedFigure, type Table } from '../report/result.ts'

/** One ratio, by its table and row, with the 95 % interval of its median. */
export interface BaselineRow {
  readonly row: string
  readonly median: number
  readonly least: number
  readonly most: number
}

/** Returns the ratios that have a budget, and those that are checked without one. */
export function listRatios(tables: readonly Table[]): readonly BaselineRow[] {
  return tables.flatMap(({ title, rows }) =>
    rows
      .filter(({ budget, isChecked }) => budget?.of === 'ratio' || isChecked === true)
      .map((row) => {
        const { median, least, most } = row.ratio ?? budgetedFigure(row).spread
        return { row: `${title}: ${row.what}`, median, least, most }
      }),
  )
}

/** Reads the committed baseline. */
export async function readBaseline(): Promise<readonly BaselineRow[]> {
  const rows: unknown = JSON.parse(await readFile(file, 'utf8'))
  if (Array.isArray(rows) && rows.every(isRow)) return rows
  throw new Error('found unexpected content in bench/baseline.json, expected ratios; write it again with --write')
}

/** Replaces the committed baseline. */
export async function writeBaseline(rows: readonly BaselineRow[]): Promise<void> {
  const rounded = rows.map(({ row, ...figures }) => ({
    row,
    ...Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, Number(value.toFixed(3))])),
  }))
  await writeFile(file, `${JSON.stringify(rounded, undefined, 2)}\n`)
}

const file = new URL('../../baseline.json', import.meta.url)

function isRow(value: unknown): value is BaselineRow {
  return isObject(value) && ['row', 'median', 'least', 'most'].every((name) => name in value)
}
