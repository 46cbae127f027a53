import type { Layers } from '../policy/decide-policies.ts'

/** Returns a segment that occurs nowhere in rules, policies and names, as an example of all others. */
export function findUnseen({ rules, policies }: Layers, names: readonly string[] = []): string {
  // One text, because a segment may also occur inside an authority such as `SERVICE_production/other`.
  const text = JSON.stringify([
    rules.rules.map(({ text: path, allow }) => [path, allow.source]),
    policies?.policies.map(({ source }) => source),
    names,
  ])
  for (let number = 1; ; number += 1) {
    const unseen = number === 1 ? 'any-other' : `any-other-${number}`
    if (!text.includes(unseen)) return unseen
  }
}
