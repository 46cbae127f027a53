import type { Engine } from './engines.ts'

/** Countersign and the alternatives. */
type AnyEngine = 'Countersign' | Engine

/** A measurement task for a process of the function suite. */
export type FunctionTask =
  | { readonly kind: 'call' | 'bytes'; readonly rounds: number }
  | {
      readonly kind: 'again' | 'in turn'
      readonly rounds: number
      readonly counts: readonly number[]
      readonly what: 'rules' | 'policies'
    }
  | { readonly kind: 'engine'; readonly rounds: number; readonly count: number; readonly engine: AnyEngine }

/** One value per round, by subject. */
export type Rounds = Readonly<Record<string, readonly number[]>>

/** Returns whether an answer contains rounds by subject. */
export function isRounds(value: unknown): value is Rounds {
  return typeof value === 'object' && value !== null && Object.values(value).every(Array.isArray)
}
