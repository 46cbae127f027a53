import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { escapeInvisible } from '../output/escape-invisible.ts'
import { formatTable } from './format-table.ts'
import { readUsage, showEffect } from './matrix-input.ts'
import type { PolicyFlags } from './policy-options.ts'
import { withInput } from './report-input.ts'
import { simulateService } from './simulate-service.ts'

/** Lists the callers that may send a request, and rules that were probably meant to match it. */
export async function runWhoCan(given: readonly unknown[], flags: PolicyFlags, context: Context): Promise<number> {
  return withInput(context, async () => {
    const [method, path, documents] = [String(given[0]), String(given[1]), given[2]]
    const guard = await simulateService(documents, flags)
    const matrix = guard.accessMatrix({
      routes: [{ method, path }],
      ...(await readUsage(flags, guard.revision, context)),
    })
    const callers = matrix.rows.flatMap(({ caller, kind, cells: [cell] }) =>
      cell === undefined ? [] : [{ caller, kind, ...cell }],
    )
    const explained = guard.explain({ caller: guard.own, method, path: matrix.routes[0]?.example.path ?? path })
    const nearMisses = explained.layers.flatMap(({ nearMisses: ofRules, policyMisses }) => [
      ...ofRules,
      ...policyMisses,
    ])
    const { output } = context
    if (flags.json === true) {
      output.json({ event: 'who-can', method, path, callers, nearMisses })
      return exitCodes.ok
    }
    const allowed = callers.filter(({ effect }) => effect !== 'deny')
    const denied = callers.filter(({ effect }) => effect === 'deny')
    output.line(escapeInvisible(`${method} ${path}: ${allowed.length} allowed, ${denied.length} denied`))
    for (const line of formatTable(
      [...allowed, ...denied].map((cell) => [showEffect(cell), cell.caller, cell.because]),
    )) {
      output.line(line)
    }
    for (const { because } of nearMisses) output.line(escapeInvisible(`near miss: ${because}`))
    return exitCodes.ok
  })
}
