/** The median of a series of measurements, its quartiles, and the confidence interval of the median. */
export interface Spread {
  readonly median: number
  /** Half of the rounds are between these values. */
  readonly lower: number
  readonly upper: number
  /** The 95 % confidence interval of the median. */
  readonly least: number
  readonly most: number
  readonly rounds: number
}

/**
 * Rounds by generation: each generation is a fresh set of processes. Two processes of the same program differ by a few
 * per cent as long as they run, which rounds of a single generation would not show.
 */
export type Generations = readonly (readonly number[])[]

/**
 * Median, quartiles and the uncertainty of the median: disturbances of single rounds by other programs hardly move any
 * of them.
 */
export function spreadOf(generations: Generations): Spread {
  const values = generations.flat()
  const sorted = sort(values)
  const medians = sort(Array.from({ length: resamples }, () => quantile(sort(resample(generations)), 0.5)))
  return {
    median: quantile(sorted, 0.5),
    lower: quantile(sorted, 0.25),
    upper: quantile(sorted, 0.75),
    least: quantile(medians, 0.025),
    most: quantile(medians, 0.975),
    rounds: values.length,
  }
}

/** Divides one series by another round by round: neighbouring rounds share slow moments. */
export function ratioOf(values: Generations, base: Generations): Spread {
  return spreadOf(combine(values, base, (value, other) => value / other))
}

/** Subtracts one series from another round by round. */
export function differenceOf(values: Generations, base: Generations): Spread {
  return spreadOf(combine(values, base, (value, other) => value - other))
}

function combine(values: Generations, base: Generations, of: (value: number, other: number) => number): Generations {
  return values.map((generation, index) =>
    generation.map((value, round) => of(value, base[index]?.[round] ?? Number.NaN)),
  )
}

const resamples = 1000

// A two-step bootstrap: first over generations, then over their rounds.
function resample(generations: Generations): readonly number[] {
  return generations.flatMap(() => {
    const generation = pick(generations) ?? []
    return generation.map(() => pick(generation) ?? Number.NaN)
  })
}

function pick<Value>(values: readonly Value[]): Value | undefined {
  return values[Math.floor(Math.random() * values.length)]
}

function sort(values: readonly number[]): readonly number[] {
  return values.toSorted((one, other) => one - other)
}

function quantile(sorted: readonly number[], part: number): number {
  const place = (sorted.length - 1) * part
  const below = sorted[Math.floor(place)] ?? Number.NaN
  const above = sorted[Math.ceil(place)] ?? Number.NaN
  return below + (above - below) * (place - Math.floor(place))
}
