/** A line through measured points. */
export interface Line {
  readonly at: (x: number) => number
  /** The largest distance of a point from the line. */
  readonly residual: number
}

/** Fits a line by least squares. */
export function fitLine(points: readonly (readonly [x: number, y: number])[]): Line {
  const [middleX, middleY] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))]
  const slope =
    mean(points.map(([x, y]) => (x - middleX) * (y - middleY))) / mean(points.map(([x]) => (x - middleX) ** 2))
  const at = (x: number): number => middleY + slope * (x - middleX)
  return { at, residual: Math.max(...points.map(([x, y]) => Math.abs(y - at(x)))) }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
