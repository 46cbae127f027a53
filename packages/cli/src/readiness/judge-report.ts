import { formatSpan } from '../output/format-time.ts'
import type { ReadinessReport, ReportEntry } from './parse-report.ts'
import type { ReadinessOptions } from './readiness-options.ts'

/** What a report means for the switch to strict mode. */
export interface Verdict {
  readonly isReady: boolean
  /** Why not, most important first; empty if ready. */
  readonly reasons: readonly string[]
}

/** Decides whether strict mode would deny requests that are allowed today. */
export function judgeReport(
  report: ReadinessReport,
  { maxAge, minPeriod }: Pick<ReadinessOptions, 'maxAge' | 'minPeriod'>,
  now: number,
): Verdict {
  const { isReady, since, at, entries, others } = report
  const callers = countCallers(entries.filter(({ strict }) => strict === 'deny'))
  const reasons: string[] = []
  if (callers > 0) reasons.push(count(callers, 'caller'))
  if (others.denied > 0) reasons.push(`${count(others.denied, 'request')} of callers that are not listed`)
  if (entries.length === 0 && others.requests === 0) reasons.push('no request was seen')
  // The service may know a reason that this version does not.
  if (!isReady && reasons.length === 0) reasons.push('the service reports so')
  if (now - at > maxAge) reasons.push(`the report is ${formatSpan(now - at)} old`)
  if (at - since < minPeriod) reasons.push(`the report covers only ${formatSpan(at - since)}`)
  return { isReady: reasons.length === 0, reasons }
}

// The same name with another credential is another caller.
function countCallers(entries: readonly ReportEntry[]): number {
  return new Set(entries.map(({ caller, credential }) => `${credential} ${caller}`)).size
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
