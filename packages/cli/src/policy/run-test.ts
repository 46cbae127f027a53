import type { Explanation } from '@countersign/core'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { escapeInvisible } from '../output/escape-invisible.ts'
import { parseTable, type TableRow } from './parse-table.ts'
import type { PolicyFlags } from './policy-options.ts'
import { readValue } from './read-input.ts'
import { withInput } from './report-input.ts'
import { simulateService } from './simulate-service.ts'

/** A row whose decision differs from the expected one. */
interface Failure {
  readonly place: string
  readonly request: string
  readonly expected: string
  readonly found: string
  readonly explanation: Explanation
}

/** Checks a table of requests and their expected decisions. */
export async function runTest(given: readonly unknown[], flags: PolicyFlags, context: Context): Promise<number> {
  return withInput(context, async () => {
    const [table, documents] = given
    const rows = parseTable(await readValue('the table', String(table)))
    const guard = await simulateService(documents, flags)
    const failures = rows.flatMap((row) => findFailure(row, guard.explain(row.question)))
    const { output } = context
    if (flags.json === true) {
      const shown = failures.map(({ explanation: { decision, layers }, ...rest }) => ({ ...rest, decision, layers }))
      output.json({ event: 'test', rows: rows.length, failed: failures.length, failures: shown })
    } else {
      for (const failure of failures) for (const line of formatFailure(failure)) output.line(line)
      output.line(`${rows.length - failures.length} passed, ${failures.length} failed`)
    }
    return failures.length > 0 ? exitCodes.failed : exitCodes.ok
  })
}

function findFailure({ place, question, expect }: TableRow, explanation: Explanation): readonly Failure[] {
  const found: Readonly<Record<string, unknown>> = { ...explanation.decision }
  const fields = Object.keys(expect)
  if (fields.every((field) => found[field] === expect[field])) return []
  const { caller, method, path } = question
  return [
    {
      place,
      request: `${caller ?? 'anonymous'} ${method} ${path}`,
      expected: fields.map((field) => show(field, expect[field])).join(', '),
      found: fields.map((field) => show(field, found[field])).join(', '),
      explanation,
    },
  ]
}

function show(field: string, value: unknown): string {
  const text = typeof value === 'string' || typeof value === 'number' ? `${value}` : 'none'
  return field === 'effect' ? text : `${field} ${text}`
}

function formatFailure({ place, request, expected, found, explanation }: Failure): readonly string[] {
  return [
    `${place}: ${request}`,
    `  expected  ${expected}`,
    `  found     ${found}`,
    ...explanation
      .toString()
      .split('\n')
      .map((line) => `  ${line}`),
    '',
  ].map(escapeInvisible)
}
