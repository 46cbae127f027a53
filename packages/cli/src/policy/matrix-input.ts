import { type AccessMatrix, ConfigurationError, type LoggedRequest, type MatrixQuestionRoute } from '@countersign/core'
import type { Context } from '../context.ts'
import type { PolicyFlags } from './policy-options.ts'
import { readText } from './read-input.ts'
import { readLog } from './read-log.ts'

/** Returns the requests of the log that `--log` names, or undefined without it. Reports gaps in the log on stderr. */
export async function readUsage(
  { log }: PolicyFlags,
  revision: string | undefined,
  context: Context,
): Promise<{ readonly log?: readonly LoggedRequest[] }> {
  if (log === undefined) return {}
  const { decisions, gaps } = await readLog(log, context)
  for (const gap of gaps) context.errors.line(gap)
  return {
    log: decisions.map(({ caller, method, path, effect, rule, revision: decided }) => ({
      caller,
      method,
      path,
      effect,
      // The index of a rule in another revision does not apply to this one.
      ...(rule !== undefined && decided === revision && { rule }),
    })),
  }
}

/**
 * Reads routes, one per line: a method and a path, or only a path. Empty lines, and lines that begin with `#`, are
 * ignored.
 *
 * @throws {ConfigurationError} `option_invalid`
 */
export async function readRoutes({
  routes,
}: PolicyFlags): Promise<{ readonly routes?: readonly MatrixQuestionRoute[] }> {
  if (routes === undefined) return {}
  const lines = (await readText('--routes', routes)).split(/\r?\n/)
  const parsed = lines.flatMap((line, index) => {
    if (/^\s*(?:#|$)/.test(line)) return []
    const [, method, path] = /^\s*(?:([A-Z-]+)\s+)?(\/\S*)\s*$/.exec(line) ?? []
    if (path !== undefined) return [{ path, ...(method !== undefined && { method }) }]
    const message = `--routes: ${routes}:${index + 1}: found '${line.trim()}', expected a line such as 'GET /invoices/:id'`
    throw new ConfigurationError('option_invalid', message)
  })
  if (parsed.length > 0) return { routes: parsed }
  throw new ConfigurationError('option_invalid', `--routes: found no route in ${routes}, expected at least one`)
}

/** Returns the method of a column for display. */
export function showMethod(method: string): string {
  return method === '*' ? 'any' : method
}

/** Returns the effect of a cell, and whether the log has such a request. */
export function showEffect({ effect, isUsed }: AccessMatrix['rows'][number]['cells'][number]): string {
  return isUsed === false ? `${effect}, unused` : effect
}
