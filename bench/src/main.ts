/**
 * `npm run bench`: the cost of Countersign, compared with the same programs without it and with common alternatives.
 * `--quick` measures only the most important ratios, and prints them without saving. `--check` compares those with
 * `baseline.json` and exits with 1 if one is slower; `--check --write` replaces the baseline.
 */
import { parseArgs } from 'node:util'
import { type BaselineRow, listRatios, readBaseline, writeBaseline } from './check/baseline.ts'
import { compareRatios, formatComparison, isFailure } from './check/compare.ts'
import { Progress } from './measure/progress.ts'
import { keepResult } from './report/kept-results.ts'
import type { Table } from './report/result.ts'
import { formatText } from './report/text.ts'
import { writeReport } from './report/write-report.ts'
import { type Measure, suites } from './suites.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    quick: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
})
const isQuick = values.quick || values.check
for (const name of values.only) {
  if (suites.some((suite) => suite.name === name)) continue
  process.stderr.write(`--only: found ${name}, expected one of ${suites.map((suite) => suite.name).join(', ')}\n`)
  process.exit(2)
}

const quickTables: Table[] = []
for (const { name, measure, measureQuickly } of suites) {
  if (values.only.length > 0 && !values.only.includes(name)) continue
  if (!isQuick) {
    const { tables, seconds } = await run(name, measure)
    await keepResult({ suite: name, seconds, tables })
  } else if (measureQuickly !== undefined) quickTables.push(...(await run(name, measureQuickly)).tables)
}
// A few rounds must not replace the results of many.
if (!isQuick) await writeReport(suites)
if (values.check) await check(listRatios(quickTables))

async function check(ratios: readonly BaselineRow[]): Promise<void> {
  if (values.write) {
    await writeBaseline(ratios)
    console.log(`\nWrote ${ratios.length} ratios to bench/baseline.json.`)
    return
  }
  const comparisons = compareRatios(await readBaseline(), ratios)
  console.log(`\n${comparisons.map(formatComparison).join('\n')}\n`)
  const failures = comparisons.filter(isFailure)
  const verdict =
    failures.length === 0
      ? 'No ratio is slower than the baseline.'
      : `${failures.length} of ${comparisons.length} ratios are slower than the baseline, or missing.`
  console.log(verdict)
  process.exitCode = failures.length === 0 ? 0 : 1
}

/** Measures one part, and prints each table when it is complete. */
async function run(name: string, measure: Measure): Promise<{ tables: readonly Table[]; seconds: number }> {
  const progress = new Progress(name)
  const tables: Table[] = []
  console.log(`\n# ${name}\n`)
  try {
    for await (const table of measure(progress)) {
      tables.push(table)
      console.log(`${formatText(table)}\n`)
    }
  } finally {
    progress.end()
  }
  const { seconds } = progress
  console.log(`${name} took ${seconds} seconds`)
  return { tables, seconds }
}
