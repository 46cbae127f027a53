/** The middle of a series of measurements, how far the middle half of them lies apart, and how sure the median is. */
export interface Spread {
  readonly median: number
  /** The middle half of the rounds lies between these. */
  readonly lower: number
  readonly upper: number
  /** Of a hundred repetitions of the measurement, 95 would have a median between these. */
  readonly least: number
  readonly most: number
  readonly rounds: number
}

/**
 * Rounds by generation: each generation is a fresh set of processes. Two processes of one program differ by a few per
 * cent for as long as they live, which rounds of a single generation would never show.
 */
export type Generations = readonly (readonly number[])[]

/** Median, quartiles, and the uncertainty of the median: what another program does to single rounds moves none of them far. */
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

/** Round by round, one series divided by another: rounds are neighbours in time, so that a slow moment hits both. */
export function ratioOf(values: Generations, base: Generations): Spread {
  return spreadOf(combine(values, base, (value, other) => value / other))
}

/** Round by round, what one series has more than another. */
export function differenceOf(values: Generations, base: Generations): Spread {
  return spreadOf(combine(values, base, (value, other) => value - other))
}

function combine(values: Generations, base: Generations, of: (value: number, other: number) => number): Generations {
  return values.map((generation, index) =>
    generation.map((value, round) => of(value, base[index]?.[round] ?? Number.NaN)),
  )
}

const resamples = 1000

// A bootstrap in two steps: generations first, and within them rounds.
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
