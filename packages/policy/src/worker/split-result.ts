import type { MergedDocuments } from '../document/merge-documents.ts'
import type { WorkerPart } from './messages.ts'

/** Splits a result into parts that are small enough to be received without a noticeable pause. */
export function* splitResult({ rules, policies, problems }: MergedDocuments): Generator<WorkerPart, void> {
  if (problems.length > 0) {
    for (const part of cut(problems)) yield { kind: 'problems', problems: part }
    return
  }
  for (const part of cut(rules ?? [])) yield { kind: 'rules', rules: part }
  for (const part of cut(policies)) yield { kind: 'policies', policies: part }
}

/** Cuts a list after a number of values, because entries differ in size. */
function* cut<Entry>(entries: readonly Entry[]): Generator<readonly Entry[], void> {
  let part: Entry[] = []
  let values = 0
  for (const entry of entries) {
    part.push(entry)
    values += countValues(entry)
    if (values < mostValues) continue
    yield part
    part = []
    values = 0
  }
  if (part.length > 0) yield part
}

const mostValues = 2000

function countValues(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1
  return Object.values(value).reduce((sum: number, each) => sum + countValues(each), 1)
}
