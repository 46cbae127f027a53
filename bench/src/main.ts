/**
 * `npm run bench`: the cost of Countersign, compared with the same programs without it and with common alternatives.
 * `--quick` measures only the ratios of requests and handshakes, and prints them without saving.
 */
import { parseArgs } from 'node:util'
import { Progress } from './measure/progress.ts'
import { keepResult } from './report/kept-results.ts'
import type { Table } from './report/result.ts'
import { formatText } from './report/text.ts'
import { writeReport } from './report/write-report.ts'
import { type Measure, suites } from './suites.ts'

const { values } = parseArgs({
  options: { only: { type: 'string', multiple: true, default: [] }, quick: { type: 'boolean', default: false } },
})
for (const name of values.only) {
  if (suites.some((suite) => suite.name === name)) continue
  process.stderr.write(`--only: found ${name}, expected one of ${suites.map((suite) => suite.name).join(', ')}\n`)
  process.exit(2)
}

for (const { name, measure, measureQuickly } of suites) {
  if (values.only.length > 0 && !values.only.includes(name)) continue
  if (!values.quick) {
    const { tables, seconds } = await run(name, measure)
    await keepResult({ suite: name, seconds, tables })
  } else if (measureQuickly !== undefined) await run(name, measureQuickly)
}
// A few rounds must not replace the results of many.
if (!values.quick) await writeReport(suites)

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
