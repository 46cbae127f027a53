import type { GuardedRequest } from '@countersign/core'
import { isListed } from './handwritten-check.ts'
import { type OpenRequest, openRequest } from './open-request.ts'
import { ratioOf, spreadOf } from './spread.ts'
import type { Row } from './table.ts'
import { type Call, timeCalls } from './time-calls.ts'
import { type Identities, path, rules, writeRules } from './workload.ts'

/** Authenticating and deciding one request, beside the hand-written check, on a real connection. */
export async function measureCall(identities: Identities): Promise<readonly Row[]> {
  const { guard, request, close } = await openRequest(identities, rules)
  if (!isListed(request.socket, path)) throw new Error('found the hand-written check to refuse the caller')
  const times = timeCalls({
    countersign: () => guard.admit(request),
    handwritten: () => isListed(request.socket, path),
  })
  await close()
  return [
    { what: 'Countersign', spread: spreadOf(times.countersign), unit: 'ns', budget: 500 },
    { what: 'hand-written getPeerCertificate() and SAN split', spread: spreadOf(times.handwritten), unit: 'ns' },
  ]
}

/**
 * The same at 10, 1,000 and 10,000 rules: for one request again and again, and for requests that reach each rule in
 * turn. The second shows what the memory of a large table costs when no rule is asked twice before all others were.
 */
export async function measureRules(identities: Identities): Promise<readonly Row[]> {
  const tables = [10, 1000, 10_000].map((count) => ({ count, ...writeRules(count) }))
  const opened = await Promise.all(tables.map((table) => openRequest(identities, table.rules)))
  const subjects = tables.flatMap(({ count, paths }, index) => {
    const open = opened[index]
    return open === undefined ? [] : [{ count, again: admitAgain(open), inTurn: admitInTurn(open, paths) }]
  })
  const again = timeCalls(Object.fromEntries(subjects.map(({ count, again }) => [String(count), again])))
  const inTurn = timeCalls(Object.fromEntries(subjects.map(({ count, inTurn }) => [String(count), inTurn])))
  await Promise.all(opened.map(({ close }) => close()))
  return [...compare('one path', again, { budget: 1.5 }), ...compare('each rule in turn', inTurn, {})]
}

function admitAgain({ guard, request }: OpenRequest): Call {
  return () => guard.admit(request)
}

function admitInTurn({ guard, request }: OpenRequest, paths: readonly string[]): Call {
  const { method, httpVersionMajor, socket, headers, rawHeaders } = request
  const requests = Array.from({ length: requestCount }, (_, index): GuardedRequest => {
    const url = copyText(paths[index % paths.length] ?? path)
    return { method, url, httpVersionMajor, socket, headers, rawHeaders }
  })
  let next = 0
  return () => {
    next = next + 1 < requests.length ? next + 1 : 0
    return guard.admit(requests[next] ?? request)
  }
}

// As many for few rules as for many, so that what fetching the requests from memory costs is the same.
const requestCount = 10_000

// A joined string is a tree of its parts; what Node's parser gives is one piece, and quicker to read.
function copyText(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}

function compare(
  what: string,
  times: Readonly<Record<string, readonly number[]>>,
  budget: Pick<Row, 'budget'>,
): readonly Row[] {
  const { 10: few = [], 10000: many = [] } = times
  const rows = Object.entries(times).map(([count, values]): Row => ({
    what: `${Number(count).toLocaleString('en')} rules, ${what}`,
    spread: spreadOf(values),
    unit: 'ns',
  }))
  return [...rows, { what: `10,000 against 10, ${what}`, spread: ratioOf(many, few), unit: '×', ...budget }]
}
