/** `npm run bench`: what Countersign costs, beside the same programs without it and what people use instead. */
import { parseArgs } from 'node:util'
import { keepResult } from './report/kept-results.ts'
import { formatText } from './report/text.ts'
import { writeReport } from './report/write-report.ts'
import { suites } from './suites.ts'

const { values } = parseArgs({ options: { only: { type: 'string', multiple: true, default: [] } } })
for (const name of values.only) {
  if (suites.some((suite) => suite.name === name)) continue
  process.stderr.write(`--only: found ${name}, expected one of ${suites.map((suite) => suite.name).join(', ')}\n`)
  process.exit(2)
}

for (const { name, measure } of suites) {
  if (values.only.length > 0 && !values.only.includes(name)) continue
  const start = performance.now()
  const tables = await measure()
  const seconds = Math.round((performance.now() - start) / 1000)
  console.log(`\n# ${name}, ${seconds} seconds\n`)
  for (const table of tables) console.log(`${formatText(table)}\n`)
  await keepResult({ suite: name, seconds, tables })
}
await writeReport(suites)
