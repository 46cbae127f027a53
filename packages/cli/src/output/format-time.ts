/** Formats epoch milliseconds as `2026-11-22T09:12:00Z`; certificates have no fractions of a second. */
export function formatMoment(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d{3}Z$/, 'Z')
}

/** Formats the remaining time in its two largest units: `in 59 m 12 s`, `in 2 d 4 h`, or `expired 3 s ago`. */
export function formatRemaining(expiresAt: number, now: number): string {
  const milliseconds = expiresAt - now
  // Rounded up before expiry, so that it never shows 0.
  if (milliseconds > 0) return `in ${formatSeconds(Math.ceil(milliseconds / 1000))}`
  return `expired ${formatSeconds(Math.floor(-milliseconds / 1000))} ago`
}

/** Formats a period in its two largest units, such as `36 h` as `1 d 12 h`; `0 s` if it is negative. */
export function formatSpan(milliseconds: number): string {
  return formatSeconds(Math.max(0, Math.floor(milliseconds / 1000)))
}

function formatSeconds(seconds: number): string {
  const parts = units.map(([unit, size, above]) => [Math.floor((seconds % above) / size), unit] as const)
  const first = parts.findIndex(([count]) => count > 0)
  if (first === -1) return '0 s'
  const shown = parts.slice(first, first + 2).filter(([count]) => count > 0)
  return shown.map(([count, unit]) => `${count} ${unit}`).join(' ')
}

/** A unit, its seconds, and the seconds of the next larger unit. */
const units: readonly (readonly [unit: string, size: number, above: number])[] = [
  ['d', 86_400, Infinity],
  ['h', 3600, 86_400],
  ['m', 60, 3600],
  ['s', 1, 60],
]
