import type { DecisionLine, DroppedLine } from './decision-line.ts'

/**
 * Formats a line as JSON in ASCII, without its line feed. A request cannot inject a line: line feeds are escaped, and
 * so are characters that only some programs treat as one, such as U+0085 and U+2028.
 */
export function formatLine(line: DecisionLine | DroppedLine): string {
  const text = JSON.stringify(line)
  const ascii = notPrintable.test(text) ? text.replaceAll(eachNotPrintable, escape) : text
  // A copy with one byte per character, because V8 may use two, and the queue is bounded in bytes.
  return Buffer.from(ascii, 'latin1').toString('latin1')
}

// `JSON.stringify` already escapes all characters below the space.
const notPrintable = /[^ -~]/
const eachNotPrintable = /[^ -~]/g

function escape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}
