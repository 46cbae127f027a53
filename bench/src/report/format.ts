import type { Spread } from '../measure/spread.ts'
import type { Unit } from './result.ts'

/** A number with its unit and its significant digits. */
export function formatFigure(value: number, unit: Unit): string {
  return `${formatNumber(value, unit)} ${unit}`
}

/** The quartiles. */
export function formatHalf({ lower, upper }: Spread, unit: Unit): string {
  return `${formatNumber(lower, unit)} – ${formatNumber(upper, unit)}`
}

/** The 95 % interval of the median. */
export function formatSureness({ least, most }: Spread, unit: Unit): string {
  return `${formatNumber(least, unit)} – ${formatNumber(most, unit)}`
}

function formatNumber(value: number, unit: Unit): string {
  const digits =
    unit === '×'
      ? ratioDigits(value)
      : value < 10 && unit !== 'B'
        ? 2
        : value < 1000 && unit !== 'ns' && unit !== 'B'
          ? 1
          : 0
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

function ratioDigits(value: number): number {
  return value < 10 ? 3 : value < 100 ? 1 : 0
}
