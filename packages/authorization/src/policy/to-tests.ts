import type { DecisionRequest } from '../decide.ts'
import { readPathPattern, type SegmentPattern } from '../path-pattern.ts'
import { foldPattern, foldTarget, type PathSemantics, semanticsKey } from '../path-semantics.ts'
import { createHostsTest, createPortsTest } from './facts-tests.ts'
import { type FieldTest, listValues, outcomeOf } from './field-test.ts'
import { PathTree } from './path-tree.ts'
import type { Policy, PolicyTo } from './policy.ts'

/** One entry of `to`, ready to be tested. */
export interface ToTests {
  readonly tests: readonly FieldTest[]
  /** The patterns for an index. Undefined if the entry has no paths. */
  readonly patterns: readonly SegmentPattern[] | undefined
  /** The tests that remain for a path found by a pattern. */
  readonly furtherTests: readonly FieldTest[]
}

/** Compiles an entry of `to`. `place` is its position within the policy. */
export function compileTo(to: PolicyTo, place: string, action: Policy['action']): ToTests {
  const { methods, notMethods, paths, notPaths, hosts, notHosts, ports, notPorts } = to
  const patterns = paths?.map(readPathPattern)
  const isDeny = action === 'DENY'
  // A path that restricts also matches an empty last segment; a path that grants does not.
  const path =
    paths && patterns && createPathTest(`${place}.paths`, paths, patterns, { isNegative: false, isLenient: isDeny })
  const notPath =
    notPaths &&
    createPathTest(`${place}.notPaths`, notPaths, notPaths.map(readPathPattern), {
      isNegative: true,
      isLenient: !isDeny,
    })
  const furtherTests = [
    methods && createMethodTest(`${place}.methods`, methods, false),
    notMethods && createMethodTest(`${place}.notMethods`, notMethods, true),
    notPath,
    hosts && createHostsTest(`${place}.hosts`, hosts, false),
    notHosts && createHostsTest(`${place}.notHosts`, notHosts, true),
    ports && createPortsTest(`${place}.ports`, ports, false),
    notPorts && createPortsTest(`${place}.notPorts`, notPorts, true),
  ].filter((test) => test !== undefined)
  return { tests: path === undefined ? furtherTests : [path, ...furtherTests], patterns, furtherTests }
}

function createMethodTest(field: string, listed: readonly string[], isNegative: boolean): FieldTest {
  const methods = new Set(listed.includes('GET') ? [...listed, 'HEAD'] : listed)
  return {
    field,
    test: ({ method }) => outcomeOf(methods.has(method) !== isNegative),
    describe: ({ method }) =>
      `the method is ${method}, expected ${isNegative ? 'none' : 'one'} of ${listValues(listed)}`,
  }
}

interface PathTestKind {
  readonly isNegative: boolean
  readonly isLenient: boolean
}

function createPathTest(
  field: string,
  listed: readonly string[],
  patterns: readonly SegmentPattern[],
  { isNegative, isLenient }: PathTestKind,
): FieldTest {
  const trees: PathTree<true>[] = []
  const isListed = (path: string, semantics: PathSemantics): boolean => {
    const tree = (trees[semanticsKey(semantics)] ??= createTree(patterns, semantics, isLenient))
    return tree.has(path)
  }
  const isExcludedDecoded = ({ target }: DecisionRequest, semantics: PathSemantics): boolean => {
    const decoded = target.decoded?.slashDecoded
    return decoded !== undefined && isListed(foldTarget(decoded, semantics), semantics)
  }
  return {
    field,
    test: (request, path, semantics) => {
      if (!isNegative) return outcomeOf(isListed(path, semantics))
      // Code behind the router may decode an encoded slash, so an ALLOW policy also excludes the decoded path.
      return outcomeOf(!isListed(path, semantics) && !(isLenient && isExcludedDecoded(request, semantics)))
    },
    describe: (_, path) => `the path is ${path}, expected ${isNegative ? 'none' : 'one'} of ${listValues(listed)}`,
  }
}

function createTree(patterns: readonly SegmentPattern[], semantics: PathSemantics, isLenient: boolean): PathTree<true> {
  const tree = new PathTree<true>(isLenient)
  for (const pattern of patterns) tree.add(foldPattern(pattern, semantics), () => true)
  return tree
}
