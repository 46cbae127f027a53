/** The growth of memory; the measurement itself moves it by a few per cent. */
export const mostGrowth = 0.1

/** From the first third to the last, relative to the first. */
export function growthOf(memory: readonly number[]): number {
  const third = Math.max(1, Math.floor(memory.length / 3))
  const before = medianOf(memory.slice(0, third))
  return before === 0 ? 0 : medianOf(memory.slice(-third)) / before - 1
}

/** The same in words. */
export function describeMemory(memory: readonly number[]): string {
  const [first = 0, last = 0] = [memory[0], memory.at(-1)]
  const growth = (growthOf(memory) * 100).toFixed(1)
  return `${toMiB(first)} at the start, ${toMiB(last)} at the end; ${growth} % from the first third to the last`
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

function toMiB(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`
}
