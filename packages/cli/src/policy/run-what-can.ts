import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { escapeInvisible } from '../output/escape-invisible.ts'
import { formatTable } from './format-table.ts'
import { readUsage, showEffect, showMethod } from './matrix-input.ts'
import { parseCaller, type PolicyFlags } from './policy-options.ts'
import { withInput } from './report-input.ts'
import { simulateService } from './simulate-service.ts'

/** Lists what a caller may request. */
export async function runWhatCan(given: readonly unknown[], flags: PolicyFlags, context: Context): Promise<number> {
  return withInput(context, async () => {
    const [text, documents] = given
    const caller = parseCaller(text)
    const guard = await simulateService(documents, flags)
    const usage = await readUsage(flags, guard.revision, context)
    const { routes, rows } = guard.accessMatrix({ ...(caller !== null && { callers: [caller] }), ...usage })
    const row = rows.find(({ caller: name, kind }) => (caller === null ? kind === 'anonymous' : name === caller))
    const requests = routes.flatMap((route, index) => {
      const cell = row?.cells[index]
      return cell === undefined ? [] : [{ ...route, ...cell }]
    })
    const { output } = context
    if (flags.json === true) {
      output.json({ event: 'what-can', caller, requests })
      return exitCodes.ok
    }
    if (row === undefined) output.line('anonymous: permissive mode is not on, so every request needs a credential')
    else
      output.line(
        escapeInvisible(
          `${row.caller}: ${requests.filter(({ effect }) => effect !== 'deny').length} of ${requests.length} routes`,
        ),
      )
    for (const line of formatTable(
      requests.map((each) => [showEffect(each), showMethod(each.method), each.path, each.because]),
    )) {
      output.line(line)
    }
    return exitCodes.ok
  })
}
