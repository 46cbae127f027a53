import picocolors from 'picocolors'
import { type Answer, calls } from './calls.ts'
import { isExpected, type Result } from './make-calls.ts'
import { isSmooth, type RotationResult } from './rotation.ts'

/** The output of the table. */
export interface Display {
  readonly isTerminal: boolean
  /** The width of the terminal in characters. */
  readonly columns: number | undefined
}

/** A table that is printed row by row. */
export interface Table {
  readonly heading: string
  readonly formatRow: (result: Result) => string
}

/** Formats the calls as lines: coloured and cut to the width of a terminal, plain and complete everywhere else. */
export function createTable({ isTerminal, columns }: Display): Table {
  // picocolors alone would colour the log of a CI job, which is not a terminal.
  const { bold, dim, green, red, yellow } = picocolors.createColors(isTerminal && picocolors.isColorSupported)
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...expectedCells.map((cells) => (cells[column] ?? '').length)),
  )
  const layOut = (cells: readonly string[]): readonly string[] => {
    const padded = cells.map((cell, column) => (column === cells.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
    const before = padded.slice(0, -1).join(gap).length + gap.length
    return isTerminal && columns !== undefined
      ? [...padded.slice(0, -1), cut(cells.at(-1) ?? '', columns - before)]
      : padded
  }
  return {
    heading: bold(layOut(headings).join(gap)),
    formatRow: (result) => {
      const [caller = '', request = '', framework = '', seen = '', reason = ''] = layOut(toCells(result))
      const color = !isExpected(result) ? red : result.found.seen === '200' ? green : yellow
      return [caller, request, framework, color(seen), dim(reason)].join(gap).trimEnd()
    },
  }
}

/** Formats the rotations, one line per service. */
export function formatRotations(results: readonly RotationResult[], { isTerminal }: Display): readonly string[] {
  const { bold, green, red } = picocolors.createColors(isTerminal && picocolors.isColorSupported)
  const lines = results.map((result) => {
    const { how, framework, calls, failures, rotations, serialNumbers } = result
    const seen = serialNumbers.map((serialNumber) => `…${serialNumber.slice(-6).toLowerCase()}`).join(' ')
    const color = isSmooth(result) ? green : red
    return `${framework}  ${color(`${calls} calls, ${failures} failed`)}, ${how}, replaced ${rotations} times, serial numbers seen: ${seen}`
  })
  return [bold('rotation of the service under continuous calls'), ...lines]
}

/** One line for each call with an unexpected result. */
export function formatDifferences(results: readonly Result[]): readonly string[] {
  return results
    .filter((result) => !isExpected(result))
    .map(({ caller, request, framework, expected, found }) => {
      const where = `${caller}, ${request}, ${framework}`
      return `${where}: found ${formatAnswer(found)}, expected ${formatAnswer(expected)}`
    })
}

const headings = ['caller', 'request', 'framework', 'answer', 'reason, for the operator only']
const gap = '  '

// The expected cells of the table, except the reasons in the last column.
const expectedCells: readonly (readonly string[])[] = calls.map(({ caller, request, expected }) => [
  caller,
  request,
  '',
  expected.seen,
])

function toCells({ caller, request, framework, found, detail }: Result): readonly string[] {
  const reason = [found.reason, detail].filter((text) => text !== undefined && text !== '').join(': ')
  return [caller, request, framework, found.seen, reason]
}

function formatAnswer({ seen, reason }: Answer): string {
  return reason === undefined ? seen : `${seen} (${reason})`
}

/** Shortens the details of a reason, but never the code at its start. */
function cut(text: string, length: number): string {
  if (text.length <= length) return text
  const word = text.split(':', 1)[0] ?? ''
  return length > word.length + 1 ? `${text.slice(0, length - 1)}…` : word
}
