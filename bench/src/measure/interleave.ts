import type { RoundListener } from './progress.ts'
import type { Generations } from './spread.ts'

/** How long to measure. */
export interface Plan {
  /** The number of sets of fresh processes. */
  readonly generations: number
  /** Uncounted rounds per generation, until the compilers have settled. */
  readonly warmUp: number
  /** Counted rounds per generation. */
  readonly rounds: number
  /**
   * Turns of every subject per round; its value is their mean. Short turns distribute a slow moment of the machine over
   * all subjects.
   */
  readonly turns: number
}

/** A subject that exists for one generation and can be measured repeatedly. */
export interface Subject {
  measure(): Promise<number>
  stop(): Promise<void>
}

/** Measures subjects in turns, starting each round with another one. Returns the rounds of each by generation. */
export async function interleave<Name extends string>(
  names: readonly Name[],
  start: (name: Name) => Promise<Subject>,
  plan: Plan,
  onRound: RoundListener,
): Promise<Readonly<Record<Name, Generations>>>
export async function interleave(
  names: readonly string[],
  start: (name: string) => Promise<Subject>,
  { generations, warmUp, rounds, turns }: Plan,
  onRound: RoundListener,
): Promise<Readonly<Record<string, Generations>>> {
  const measured: readonly { readonly name: string; readonly rounds: number[][] }[] = names.map((name) => ({
    name,
    rounds: [],
  }))
  const total = generations * (warmUp + rounds)
  for (let generation = 0; generation < generations; generation += 1) {
    const subjects = []
    for (const { name, rounds: all } of measured) {
      const values: number[] = []
      all.push(values)
      subjects.push({ subject: await start(name), values, sum: 0 })
    }
    for (let round = -warmUp; round < rounds; round += 1) {
      for (const each of subjects) each.sum = 0
      for (let turn = 0; turn < turns; turn += 1) {
        const first = (round + warmUp + turn) % subjects.length
        for (const each of [...subjects.slice(first), ...subjects.slice(0, first)])
          each.sum += await each.subject.measure()
      }
      if (round >= 0) for (const { values, sum } of subjects) values.push(sum / turns)
      onRound(generation * (warmUp + rounds) + warmUp + round + 1, total)
    }
    for (const { subject } of subjects) await subject.stop()
  }
  return Object.fromEntries(measured.map(({ name, rounds: all }) => [name, all]))
}
