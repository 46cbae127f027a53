import type { PathSemantics } from '../path-semantics.ts'

/** Returns the ways in which routers read the path of a request. */
export function listSemantics(
  semantics: PathSemantics,
  otherSemantics: PathSemantics | undefined,
): readonly PathSemantics[] {
  return otherSemantics === undefined || otherSemantics === semantics ? [semantics] : [semantics, otherSemantics]
}
