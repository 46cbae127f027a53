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

function parseRow(row: unknown): Omit<TableRow, 'place'> {
  const fields = parseOptions(row, [...asked, 'expect', ...compared], 'row')
  const { caller, credential, headers, address, host, port, expect } = fields
  if (expect !== 'allow' && expect !== 'deny') refuseValue('expect', expect, "'allow' or 'deny'")
  const expected: Record<string, string | number> = { effect: expect }
  for (const name of compared) {
    const value = fields[name]
    if (value === undefined) continue
    if (typeof value !== 'string' && typeof value !== 'number') refuseValue(name, value, 'text or a number')
    expected[name] = value
  }
  return {
    question: {
      caller: caller === null ? null : parseCaller(parseText('caller', caller)),
      method: parseText('method', fields['method']),
      path: parseText('path', fields['path']),
      // A row is a whole request, so a header that it does not have is absent and not unknown.
      headers: headers === undefined ? {} : parseHeaders(headers),
      ...(credential !== undefined && {
        credential: parseCredential('credential', parseText('credential', credential)),
      }),
      ...(host !== undefined && { host: parseText('host', host) }),
      ...(typeof port === 'number' ? { port } : port === undefined ? {} : refuseValue('port', port, 'a number')),
      ...(address !== undefined && { socketAddress: parseText('address', address) }),
    },
    expect: Object.freeze(expected),
  }
}

function parseText(name: string, value: unknown): string {
  return typeof value === 'string' ? value : refuseValue(name, value, 'text')
}

function parseHeaders(input: unknown): Readonly<Record<string, readonly string[]>> {
  if (!isRecord(input)) refuseValue('headers', input, 'names and values')
  return Object.fromEntries(
    Object.entries(input).map(([name, value]) => {
      const lines: readonly unknown[] = Array.isArray(value) ? value : [value]
      return [name.toLowerCase(), lines.map((line) => parseText(`headers.${name}`, line))]
    }),
  )
}
