import type { SegmentPattern } from '../path-pattern.ts'
import { descend, type SegmentNode } from './segment-node.ts'

/**
 * Maps path patterns to values. The cost of a lookup depends on the depth of the path, not on the number of patterns.
 */
export class PathTree<Value> {
  readonly #root: SegmentNode<Value> = {}
  readonly #isLenient: boolean

  /**
   * Creates an empty tree. With `isLenient`, which is for patterns that restrict, `*` also matches an empty last
   * segment, because some routers accept an empty parameter.
   */
  constructor(isLenient: boolean) {
    this.#isLenient = isLenient
  }

  /** Returns the value of a pattern, and creates it if there is none yet. */
  add({ path, rest }: SegmentPattern, create: () => Value): Value {
    let node = this.#root
    for (const segment of path.split('/').slice(1)) node = descend(node, segment)
    return rest ? (node.below ??= create()) : (node.here ??= create())
  }

  /** Returns the values of all patterns that match a path. */
  findAll(path: string): readonly Value[] {
    const found: Value[] = []
    collect(this.#root, path, 1, this.#isLenient, found)
    return found
  }

  /** Returns whether a pattern matches a path. */
  has(path: string): boolean {
    return hasMatch(this.#root, path, 1, this.#isLenient)
  }
}

// `start` is where the next segment starts; it is past the end of the path if there is none.
function collect<Value>(
  node: SegmentNode<Value>,
  path: string,
  start: number,
  isLenient: boolean,
  found: Value[],
): void {
  if (node.below !== undefined) found.push(node.below)
  if (start > path.length) {
    if (node.here !== undefined) found.push(node.here)
    return
  }
  if (node.literals === undefined && node.any === undefined) return
  const slash = path.indexOf('/', start)
  const end = slash === -1 ? path.length : slash
  const literal = node.literals?.get(path.slice(start, end))
  if (literal !== undefined) collect(literal, path, end + 1, isLenient, found)
  if (node.any !== undefined && (end > start || isLenient)) collect(node.any, path, end + 1, isLenient, found)
}

function hasMatch<Value>(node: SegmentNode<Value>, path: string, start: number, isLenient: boolean): boolean {
  if (node.below !== undefined) return true
  if (start > path.length) return node.here !== undefined
  if (node.literals === undefined && node.any === undefined) return false
  const slash = path.indexOf('/', start)
  const end = slash === -1 ? path.length : slash
  const literal = node.literals?.get(path.slice(start, end))
  if (literal !== undefined && hasMatch(literal, path, end + 1, isLenient)) return true
  return node.any !== undefined && (end > start || isLenient) && hasMatch(node.any, path, end + 1, isLenient)
}
