import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cache } from '../setup.mjs'

const file = join(cache, 'test-durations.json')

/** The seconds that each test file took in its last run here. */
export function readDurations() {
  try {
    return new Map(Object.entries(JSON.parse(readFileSync(file, 'utf8'))))
  } catch {
    return new Map()
  }
}

export function writeDurations(durations) {
  mkdirSync(cache, { recursive: true })
  const byLength = [...durations].toSorted(([, a], [, b]) => b - a)
  writeFileSync(file, `${JSON.stringify(Object.fromEntries(byLength), undefined, 1)}\n`)
}

/** Puts the slowest groups first, so that none still runs after all others have finished. */
export function sortByDuration(groups, durations) {
  const length = (group) => group.reduce((sum, name) => sum + (durations.get(name) ?? 5), 0)
  return groups.toSorted((a, b) => length(b) - length(a))
}
