import assert from 'node:assert/strict'

/** Parses output in which every line must be a JSON object. */
export function readJsonLines(output: string): readonly Readonly<Record<string, unknown>>[] {
  assert.ok(output.endsWith('\n'))
  return output
    .trimEnd()
    .split('\n')
    .map((line) => readRecord(JSON.parse(line)))
}

/** Reads a list of JSON objects inside another. */
export function readRecords(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  assert.ok(Array.isArray(value))
  return value.map(readRecord)
}

function readRecord(value: unknown): Readonly<Record<string, unknown>> {
  assert.ok(isRecord(value))
  return value
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
