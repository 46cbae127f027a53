import { escapeInvisible } from '../output/escape-invisible.ts'
import { formatMoment, formatRemaining, formatSpan } from '../output/format-time.ts'
import type { Screen } from '../output/screen.ts'
import type { Verdict } from './judge-report.ts'
import type { ReadinessReport, ReportEntry } from './parse-report.ts'

/** Formats a verdict and its report as lines, for people. */
export function formatReport(
  { isReady, reasons }: Verdict,
  { since, at, deadline, entries, others }: ReadinessReport,
  now: number,
  { bold, green, red, dim }: Screen['colors'],
): readonly string[] {
  const period = at - since
  const remaining = formatRemaining(deadline, now).replace(/^expired/, 'passed')
  return [
    isReady ? bold(green('ready')) : `${bold(red('not ready'))}: ${reasons.join('; ')}`,
    `  ${dim('covers')}    ${formatSpan(period)}, from ${formatMoment(since)} to ${formatMoment(at)}`,
    ...(period < shortPeriod
      ? [
          '            This is short: the period restarts with the service, and callers that',
          `            call less often are missing.`,
        ]
      : []),
    `  ${dim('deadline')}  ${formatMoment(deadline)}, ${remaining}`,
    ...(entries.length === 0 ? [] : ['', ...formatTable(entries)]),
    ...(others.requests === 0
      ? []
      : ['', `${others.requests} requests of callers that are not listed; strict mode would deny ${others.denied}`]),
  ]
}

/** Milliseconds: a week, so that weekly jobs have run. */
const shortPeriod = 7 * 86_400_000

function formatTable(entries: readonly ReportEntry[]): readonly string[] {
  const rows = entries.map(({ strict, route, caller, credential, requests, lastSeenAt }) => [
    strict,
    escapeInvisible(route),
    escapeInvisible(caller),
    escapeInvisible(credential),
    String(requests),
    formatMoment(lastSeenAt),
  ])
  const all = [['strict', 'route', 'caller', 'credential', 'requests', 'last seen'], ...rows]
  const widths = all[0]?.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? []
  return all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
