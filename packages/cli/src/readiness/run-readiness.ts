import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { formatReport } from './format-report.ts'
import { judgeReport } from './judge-report.ts'
import { findReport } from './parse-report.ts'
import { parseReadinessFlags, type ReadinessFlags } from './readiness-options.ts'
import { readLines } from './read-lines.ts'

/**
 * Shows whether a service is ready for strict mode, and which callers are not. Without a report that can be read, the
 * service is not ready.
 *
 * @throws {ConfigurationError} `option_invalid`
 */
export async function runReadiness(place: string, flags: ReadinessFlags, context: Context): Promise<number> {
  const options = parseReadinessFlags(place, flags)
  const { output, errors, now } = context
  const found = await findReport(readLines(options.place, context))
  if (found === undefined || found === 'unreadable') {
    const what =
      found === undefined ? 'no readiness report' : 'a readiness report that is cut or not in the expected form'
    errors.line(`${errors.colors.red('countersign:')} found ${what}, expected a JSON object whose type is 'readiness'`)
    return exitCodes.failed
  }
  const verdict = judgeReport(found, options, now())
  if (options.isJson) output.json({ event: 'readiness', ...verdict, report: found })
  else for (const line of formatReport(verdict, found, now(), output.colors)) output.line(line)
  return verdict.isReady ? exitCodes.ok : exitCodes.failed
}
