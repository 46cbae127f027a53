import type { Requirement } from './requirement.ts'

/** Returns a requirement as source text: `anyOf(hasAuthority('A'), inNamespace('x'))`. */
export function describeRequirement(requirement: Requirement): string {
  return Object.entries<Argument>(requirement)
    .map(([name, value]) => `${name}(${describeArguments(value).join(', ')})`)
    .join()
}

type ArgumentOf<Kind> = Kind extends unknown ? Kind[keyof Kind] : never
type Argument = ArgumentOf<Requirement>

function describeArguments(value: Argument): readonly string[] {
  if (value === true) return []
  if (typeof value === 'string') return [`'${value}'`]
  if ('test' in value) return [`'${value.name}'`]
  return value.map((entry) => (typeof entry === 'string' ? `'${entry}'` : describeRequirement(entry)))
}
