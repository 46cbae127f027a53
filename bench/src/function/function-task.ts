import type { Engine } from './engines.ts'

/** Countersign, and what stands beside it. */
type AnyEngine = 'Countersign' | Engine

/** What a process of the function suite measures. */
export type FunctionTask =
  | { readonly kind: 'call' | 'bytes'; readonly rounds: number }
  | { readonly kind: 'again' | 'in turn'; readonly rounds: number; readonly counts: readonly number[] }
  | { readonly kind: 'engine'; readonly rounds: number; readonly count: number; readonly engine: AnyEngine }

/** One value for each round, by subject. */
export type Rounds = Readonly<Record<string, readonly number[]>>

/** Whether an answer is rounds by subject. */
export function isRounds(value: unknown): value is Rounds {
  return typeof value === 'object' && value !== null && Object.values(value).every(Array.isArray)
}
