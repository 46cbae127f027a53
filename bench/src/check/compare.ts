import type { BaselineRow } from './baseline.ts'

/** The outcome for one ratio. */
export interface Comparison {
  readonly row: string
  readonly outcome: 'same' | 'slower' | 'faster' | 'new' | 'missing'
  readonly before: BaselineRow | undefined
  readonly now: BaselineRow | undefined
}

/**
 * Compares ratios with a baseline. A ratio is slower or faster only if the two 95 % intervals do not overlap. A row that
 * was not measured is missing, so that a renamed table cannot hide a regression.
 */
export function compareRatios(
  baseline: readonly BaselineRow[],
  measured: readonly BaselineRow[],
): readonly Comparison[] {
  const before = new Map(baseline.map((row) => [row.row, row]))
  const now = new Map(measured.map((row) => [row.row, row]))
  return [...new Set([...before.keys(), ...now.keys()])].map((row) => {
    const pair = { row, before: before.get(row), now: now.get(row) }
    return { ...pair, outcome: judge(pair.before, pair.now) }
  })
}

/** Returns whether an outcome fails the check. */
export function isFailure({ outcome }: Comparison): boolean {
  return outcome === 'slower' || outcome === 'missing'
}

/** Formats a comparison as one line. */
export function formatComparison({ row, outcome, before, now }: Comparison): string {
  return `${outcome.padEnd(8)}${row}: ${format(now)}, baseline ${format(before)}`
}

function judge(before: BaselineRow | undefined, now: BaselineRow | undefined): Comparison['outcome'] {
  if (now === undefined) return 'missing'
  if (before === undefined) return 'new'
  if (now.least > before.most) return 'slower'
  return now.most < before.least ? 'faster' : 'same'
}

function format(row: BaselineRow | undefined): string {
  if (row === undefined) return 'none'
  return `${row.median.toFixed(3)} × (${row.least.toFixed(3)} – ${row.most.toFixed(3)})`
}
