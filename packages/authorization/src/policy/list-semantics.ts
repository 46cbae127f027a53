import type { PathSemantics } from '../path-semantics.ts'

/** Returns the path semantics of the routers that may read a request. */
export function listSemantics(
  semantics: PathSemantics,
  otherSemantics: PathSemantics | undefined,
): readonly PathSemantics[] {
  return otherSemantics === undefined || otherSemantics === semantics ? [semantics] : [semantics, otherSemantics]
}
