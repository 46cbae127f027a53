import type { RuleSet } from '../rules.ts'

/** Texts that an example must not occur in. */
export interface SeenTexts {
  readonly rules: RuleSet
  readonly names?: readonly string[]
}

/** Returns a segment that occurs nowhere in rules and policies, as an example of all others. */
export function findUnseen({ rules, names = [] }: SeenTexts): string {
  // One text, because a segment may also occur inside an authority such as `SERVICE_production/other`.
  const text = JSON.stringify([rules.rules.map(({ text: path, allow }) => [path, allow.source]), names])
  for (let number = 1; ; number += 1) {
    const unseen = number === 1 ? 'any-other' : `any-other-${number}`
    if (!text.includes(unseen)) return unseen
  }
}
