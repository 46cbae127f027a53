/** A readiness report, as a service returns or logs it. Times are epoch milliseconds. */
export interface ReadinessReport {
  readonly type: 'readiness'
  readonly isReady: boolean
  readonly since: number
  readonly at: number
  readonly deadline: number
  readonly entries: readonly ReportEntry[]
  readonly others: { readonly requests: number; readonly denied: number }
}

/** The requests of one caller that one rule or route decided in the same way. */
export interface ReportEntry {
  readonly route: string
  readonly caller: string
  readonly credential: string
  readonly requests: number
  readonly firstSeenAt: number
  readonly lastSeenAt: number
  readonly strict: 'allow' | 'deny'
}

/** The last report in a log, or `unreadable` if its line is cut or not in the expected form. */
export type Found = ReadinessReport | 'unreadable' | undefined

/**
 * Finds the last report in lines: a line that is a JSON object with one, or that contains one as a property. Lines that
 * together are one JSON object, such as a formatted report, are accepted too.
 */
export async function findReport(lines: AsyncIterable<string>): Promise<Found> {
  let last: Found
  let whole: string | undefined = ''
  for await (const line of lines) {
    last = findInLine(line) ?? last
    if (whole !== undefined) whole = whole.length + line.length > longestWhole ? undefined : `${whole}${line}\n`
  }
  return last ?? (whole === undefined ? undefined : findInLine(whole))
}

/** Characters: several times the largest report. */
const longestWhole = 8 * 1024 * 1024

function findInLine(line: string): Found {
  // Most lines of a log are about something else, and parsing costs far more than searching.
  if (!line.includes('"readiness"')) return undefined
  const value = parseJson(line)
  // A cut line must not be skipped in favour of an older report.
  if (value === undefined) return line.includes('"type":"readiness"') ? 'unreadable' : undefined
  if (!isRecord(value)) return undefined
  const found = [value, ...Object.values(value)].filter(isRecord).find(({ type }) => type === 'readiness')
  return found === undefined ? undefined : (parseReport(found) ?? 'unreadable')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function parseReport({
  isReady,
  since,
  at,
  deadline,
  entries,
  others,
}: Readonly<Record<string, unknown>>): ReadinessReport | undefined {
  if (typeof isReady !== 'boolean' || !isTime(since) || !isTime(at) || !isTime(deadline)) return undefined
  if (!Array.isArray(entries) || !isRecord(others)) return undefined
  const { requests, denied } = others
  if (!isCount(requests) || !isCount(denied)) return undefined
  const parsed = entries.map(parseEntry)
  // A report that can only be read in part might hide the caller that is not ready.
  if (!parsed.every((entry) => entry !== undefined)) return undefined
  return { type: 'readiness', isReady, since, at, deadline, entries: parsed, others: { requests, denied } }
}

function parseEntry(value: unknown): ReportEntry | undefined {
  if (!isRecord(value)) return undefined
  const { route, caller, credential, requests, firstSeenAt, lastSeenAt, strict } = value
  if (typeof route !== 'string' || typeof caller !== 'string' || typeof credential !== 'string') return undefined
  if (!isCount(requests) || !isTime(firstSeenAt) || !isTime(lastSeenAt)) return undefined
  if (strict !== 'allow' && strict !== 'deny') return undefined
  return { route, caller, credential, requests, firstSeenAt, lastSeenAt, strict }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

// Within the range of `Date`, so that it can be printed.
function isTime(value: unknown): value is number {
  return typeof value === 'number' && !Number.isNaN(new Date(value).getTime())
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
