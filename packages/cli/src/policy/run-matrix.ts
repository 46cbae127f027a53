import { writeFile } from 'node:fs/promises'
import type { AccessMatrix } from '@countersign/core'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { count } from '../output/count.ts'
import { escapeInvisible } from '../output/escape-invisible.ts'
import { formatTable } from './format-table.ts'
import { readRoutes, readUsage, showMethod } from './matrix-input.ts'
import { formatMatrixHtml } from './page/format-matrix-html.ts'
import type { PolicyFlags } from './policy-options.ts'
import { withInput } from './report-input.ts'
import { simulateService } from './simulate-service.ts'

/** Shows which callers may request what: as text, as JSON, or as a page. */
export async function runMatrix(documents: unknown, flags: PolicyFlags, context: Context): Promise<number> {
  return withInput(context, async () => {
    const guard = await simulateService(documents, flags)
    const matrix = guard.accessMatrix({
      ...(await readRoutes(flags)),
      ...(await readUsage(flags, guard.revision, context)),
    })
    const { output, now } = context
    if (flags.html !== undefined) {
      await writeFile(flags.html, formatMatrixHtml(matrix, { service: guard.own, at: now() }))
    }
    if (flags.json === true) output.json({ event: 'matrix', ...matrix })
    else if (flags.html === undefined) for (const line of formatMatrix(matrix)) output.line(line)
    else
      output.line(
        escapeInvisible(
          `${count(matrix.rows.length, 'caller')}, ${count(matrix.routes.length, 'route')}: ${flags.html}`,
        ),
      )
    return exitCodes.ok
  })
}

/** Formats a matrix with numbers for routes, because a terminal is too narrow for their names. */
function formatMatrix({ routes, rows }: AccessMatrix): readonly string[] {
  const numbers = routes.map((_, index) => String(index + 1))
  return [
    ...formatTable(routes.map(({ method, path }, index) => [numbers[index] ?? '', showMethod(method), path])),
    '',
    ...formatTable([['', ...numbers], ...rows.map(({ caller, cells }) => [caller, ...cells.map(markOf)])]),
    '',
    '+ allow, ? depends on the request, - deny; o allowed or depends, but not used in the log',
  ]
}

function markOf({ effect, isUsed }: AccessMatrix['rows'][number]['cells'][number]): string {
  if (isUsed === false) return 'o'
  return { allow: '+', depends: '?', deny: '-' }[effect]
}
