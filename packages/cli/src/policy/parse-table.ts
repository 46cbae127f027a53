import { ConfigurationError, type ExplainQuestion } from '@countersign/core'
import { describeThrown, isRecord, parseOptions, refuseValue } from '@countersign/spiffe/options'
import { parseCaller, parseCredential } from './policy-options.ts'
import type { PlacedValue } from './read-input.ts'

/** A row of a table of expected decisions. */
export interface TableRow {
  /** Where it was written: `table.yaml:3:5`. */
  readonly place: string
  readonly question: ExplainQuestion
  /** The fields of the decision that are compared. */
  readonly expect: Readonly<Record<string, string | number>>
}

/**
 * Parses a table of requests and their expected decisions.
 *
 * @throws {ConfigurationError} `option_invalid` with the place of the first row that is not valid
 */
export function parseTable({ value, placeOf }: PlacedValue): readonly TableRow[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw new ConfigurationError('option_invalid', `${placeOf([])}: found no rows, expected a list of requests`)
  }
  return value.map((row: unknown, index) => {
    try {
      return { place: placeOf([index]), ...parseRow(row) }
    } catch (error) {
      throw new ConfigurationError('option_invalid', `${placeOf([index])}: ${describeThrown(error)}`, { cause: error })
    }
  })
}

const asked = ['caller', 'method', 'path', 'credential', 'headers', 'host', 'port', 'address']
const compared = ['rule', 'policy', 'reason', 'status']
const numbers: ReadonlySet<string> = new Set(['rule', 'status'])

function parseRow(row: unknown): Omit<TableRow, 'place'> {
  const fields = parseOptions(row, [...asked, 'expect', ...compared], 'row')
  const { caller, credential, headers, address, host, port, expect } = fields
  if (expect !== 'allow' && expect !== 'deny') refuseValue('expect', expect, "'allow' or 'deny'")
  const expected: Record<string, string | number> = { effect: expect }
  for (const name of compared) {
    const value = fields[name]
    if (value === undefined) continue
    // A value of the other type would never be equal, but would look equal in the report.
    expected[name] = numbers.has(name) ? parseWhole(name, value, 'a number') : parseText(name, value)
  }
  return {
    question: {
      caller: caller === null ? null : parseCaller(parseText('caller', caller)),
      // Any other form is always denied, so a misspelled row would pass regardless of the documents.
      method: parseForm('method', fields['method'], /^[A-Z][A-Z-]*$/, "a method in upper case, such as 'GET'"),
      path: parseForm('path', fields['path'], /^\//, "a path that begins with '/'"),
      // A row is a complete request, so a header that is not in it is absent, not unknown.
      headers: headers === undefined ? {} : parseHeaders(headers),
      ...(credential !== undefined && {
        credential: parseCredential('credential', parseText('credential', credential)),
      }),
      ...(host !== undefined && { host: parseText('host', host) }),
      ...(port !== undefined && { port: parseWhole('port', port, 'a port such as 8443', 65_535) }),
      ...(address !== undefined && { socketAddress: parseText('address', address) }),
    },
    expect: Object.freeze(expected),
  }
}

function parseText(name: string, value: unknown): string {
  return typeof value === 'string' ? value : refuseValue(name, value, 'text')
}

function parseForm(name: string, value: unknown, form: RegExp, expected: string): string {
  const text = parseText(name, value)
  return form.test(text) ? text : refuseValue(name, text, expected)
}

function parseWhole(name: string, value: unknown, expected: string, most = Number.MAX_SAFE_INTEGER): number {
  const isWhole = typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most
  return isWhole ? value : refuseValue(name, value, expected)
}

function parseHeaders(input: unknown): Readonly<Record<string, readonly string[]>> {
  if (!isRecord(input)) refuseValue('headers', input, 'names and values')
  const headers = new Map<string, readonly string[]>()
  for (const [name, value] of Object.entries(input)) {
    const lower = name.toLowerCase()
    if (headers.has(lower)) refuseValue('headers', name, 'each name once; write several lines as a list')
    const lines: readonly unknown[] = Array.isArray(value) ? value : [value]
    headers.set(
      lower,
      lines.map((line) => parseText(`headers.${name}`, line)),
    )
  }
  return Object.fromEntries(headers)
}
