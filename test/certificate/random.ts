/** Choices that are the same in every run. */
export interface Random {
  /** Zero or more, below the limit. */
  readonly below: (limit: number) => number
  readonly chance: (share: number) => boolean
  readonly pick: <Value>(values: readonly Value[]) => Value
  /** Selects every value with this probability, in the given order. */
  readonly some: <Value>(values: readonly Value[], share: number) => readonly Value[]
  readonly shuffle: <Value>(values: readonly Value[]) => readonly Value[]
}

/** The generator mulberry32. */
export function createRandom(seed: number): Random {
  let state = seed
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  const below = (limit: number): number => Math.floor(next() * limit)
  return {
    below,
    chance: (share) => next() < share,
    pick: (values) => {
      const [value] = values.slice(below(values.length))
      if (value === undefined) throw new Error('found nothing to pick from')
      return value
    },
    some: (values, share) => values.filter(() => next() < share),
    shuffle: (values) => {
      return values
        .map((value) => ({ value, rank: next() }))
        .toSorted((one, other) => one.rank - other.rank)
        .map(({ value }) => value)
    },
  }
}
