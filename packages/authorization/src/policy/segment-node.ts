/** A node in a tree of segments. */
export interface SegmentNode<Value> {
  literals?: Map<string, SegmentNode<Value>>
  /** The child for a `*`. */
  any?: SegmentNode<Value>
  /** The value of patterns that end here. */
  here?: Value
  /** The value of patterns with `**` here. */
  below?: Value
}

/** Returns the node for the next segment of a pattern, and creates it if there is none yet. */
export function descend<Value>(node: SegmentNode<Value>, segment: string): SegmentNode<Value> {
  if (segment === '*') return (node.any ??= {})
  node.literals ??= new Map()
  const known = node.literals.get(segment)
  if (known !== undefined) return known
  const created: SegmentNode<Value> = {}
  node.literals.set(segment, created)
  return created
}
