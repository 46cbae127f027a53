import { createReadStream } from 'node:fs'
import type { DecisionLine, DroppedLine } from './decision-line.ts'
import { longestLine, parseLogLine } from './parse-decision-line.ts'

/** One line of a file. */
export interface LogEntry {
  /** Counted from 1. */
  readonly number: number
  /** Undefined if the line cannot be read: it is truncated, not a line of a decision log, or of another version. */
  readonly line: DecisionLine | DroppedLine | undefined
}

/**
 * Reads a decision log line by line, from the path of a file or from chunks of text or bytes, such as `process.stdin`.
 * Leaves out empty lines. Also returns lines that it cannot read, so that a tool can report how much is missing.
 *
 * @throws {Error} that of Node.js, if the file cannot be read
 */
export async function* readDecisionLog(
  from: string | AsyncIterable<string | Uint8Array>,
): AsyncGenerator<LogEntry, void, undefined> {
  const chunks: AsyncIterable<string | Uint8Array> = typeof from === 'string' ? createReadStream(from) : from
  let number = 0
  for await (const text of splitLines(chunks)) {
    number += 1
    if (text === undefined || text.trim() !== '') yield { number, line: text === undefined ? text : parseLogLine(text) }
  }
}

/** Yields each line without its end, or undefined for a line that is too long. */
async function* splitLines(chunks: AsyncIterable<string | Uint8Array>): AsyncGenerator<string | undefined> {
  const decoder = new TextDecoder()
  let rest = ''
  let isTooLong = false
  for await (const chunk of chunks) {
    const text = typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true })
    const parts = text.split('\n')
    const last = parts.pop() ?? ''
    for (const part of parts) {
      yield isTooLong ? undefined : rest + part
      rest = ''
      isTooLong = false
    }
    rest += last
    // The rest of such a line must not be read as a separate line.
    isTooLong ||= rest.length > longestLine
    if (isTooLong) rest = ''
  }
  yield isTooLong ? undefined : rest + decoder.decode()
}
