import { ConfigurationError } from '@countersign/spiffe/id'
import type { CompiledRequirement } from '../compile-requirement.ts'
import { parsePathPattern, type SegmentPattern } from '../path-pattern.ts'
import type { CallerSet } from '../possible-callers.ts'
import type { Layers } from '../policy/decide-policies.ts'
import type { PolicyTo } from '../policy/policy.ts'
import { commonMethods } from '../target.ts'
import type { AskedRoute, MatrixRoute } from './access-matrix.ts'
import { closeSets, compareSpecificity, formatPath, intersect, pickExample } from './example-set.ts'
import { findUnseen } from './find-unseen.ts'

/** A column of the matrix, before its cells are decided. */
export interface MatrixColumn {
  readonly route: MatrixRoute
  readonly pattern: SegmentPattern
  readonly set: CallerSet
  /** Undefined if the column covers every method without a column of its own. GET includes HEAD. */
  readonly methods: ReadonlySet<string> | undefined
  readonly allow: CompiledRequirement | undefined
  /**
   * Requests of a listed column that rules or policies may decide differently from its example, because no more
   * specific columns cover them.
   */
  readonly others: readonly MatrixRoute['example'][]
}

/** Where columns come from. */
export interface ColumnSources {
  readonly layers: Layers
  readonly routes?: readonly AskedRoute[]
}

/**
 * Returns the columns of a matrix: the routes given, or every path and pattern of rules and policies, each with the
 * methods that are distinguished at its paths, and one for any other path.
 *
 * @throws {ConfigurationError} `option_invalid` if there are over 5,000 patterns to derive columns from
 */
export function listColumns({ layers, routes }: ColumnSources): readonly MatrixColumn[] {
  const named = listNamedPaths(layers)
  const unseen = findUnseen(layers)
  if (routes !== undefined) {
    const asked = routes.flatMap((route) => createAskedColumns(route, named, unseen))
    return asked.map((each) => withOthers(each, asked))
  }
  refuseTooMany(named.length)
  const sets = closeSets([...named.map(({ set }) => set), everyPath])
  const ordered = sets.toSorted((one, other) => (orderOf(one) < orderOf(other) ? -1 : 1))
  return ordered.flatMap((set) => {
    const segments = pickExample(set, sets, unseen)
    return segments === undefined ? [] : createColumns({ set, segments, named, allow: undefined })
  })
}

// Ordered by path, with wildcards after the more specific paths.
function orderOf(set: CallerSet): string {
  return formatPath(set).replaceAll('*', '\uFFFF')
}

const everyPath: CallerSet = { trustDomain: '', segments: [], rest: true }
const mostPatterns = 5000

function refuseTooMany(count: number): void {
  if (count <= mostPatterns) return
  throw new ConfigurationError(
    'option_invalid',
    `accessMatrix: found ${count} path patterns, expected at most ${mostPatterns} to derive routes from; list the routes of interest`,
  )
}

/** A path pattern, and the methods that it is limited to; undefined for every method. */
interface NamedPath {
  readonly set: CallerSet
  readonly methods: ReadonlySet<string> | undefined
}

function listNamedPaths({ rules, policies }: Layers): readonly NamedPath[] {
  return [
    ...rules.rules.map(({ pattern, methods }) => ({ set: toSet(pattern), methods })),
    ...(policies?.policies ?? []).flatMap(({ source }) => source.to?.flatMap((entry) => listPathsOf(entry)) ?? []),
  ]
}

// Negative forms also distinguish paths and methods.
function listPathsOf({ paths, notPaths = [], methods, notMethods = [] }: PolicyTo): readonly NamedPath[] {
  const isAny = methods === undefined && notMethods.length === 0
  const named = isAny ? undefined : new Set([...(methods ?? []), ...notMethods])
  return [
    ...(paths?.flatMap(parseSets) ?? [everyPath]).map((set) => ({ set, methods: named })),
    ...notPaths.flatMap(parseSets).map((set) => ({ set, methods: undefined })),
  ]
}

// A policy that restricts `/a/*` also restricts `/a/`.
function parseSets(path: string): readonly CallerSet[] {
  const set = toSet(parsePathPattern(path, 'paths'))
  if (set.segments.length === 0 || set.segments.at(-1) !== undefined) return [set]
  return [set, { ...set, segments: [...set.segments.slice(0, -1), ''], rest: false }]
}

function toSet({ path, rest }: SegmentPattern): CallerSet {
  const segments = path.split('/').slice(1)
  return { trustDomain: '', segments: segments.map((segment) => (segment === '*' ? undefined : segment)), rest }
}

function createAskedColumns(
  { method, path, allow }: AskedRoute,
  named: readonly NamedPath[],
  unseen: string,
): readonly AskedColumn[] {
  const text = path.replaceAll(/\/:[^/]+/g, '/*')
  const set = toSet(parsePathPattern(text, 'accessMatrix: routes: path'))
  const sets = closeSets([set, ...named.flatMap((each) => intersect(each.set, set) ?? [])])
  const segments = pickExample(set, sets, unseen) ?? pickExample(set, [], unseen) ?? []
  const place = { set, segments, allow, shown: path }
  const columns =
    method === undefined ? createColumns({ ...place, named }) : [createColumn(place, method, new Set([method]))]
  const inner = sets.map((each) => pickExample(each, sets, unseen)).filter((each) => each !== undefined)
  const ownMethods = columns.flatMap((column) => [...(column.methods ?? [])])
  return columns.map((column) => {
    const { method: own } = column.route.example
    const further =
      column.methods === undefined ? listMethods(named, set).filter((each) => !ownMethods.includes(each)) : []
    const others = [own, ...further].flatMap((each) => inner.map((one) => ({ method: each, segments: one })))
    return { column, others }
  })
}

/** A listed column, and the requests that it may cover besides its example. */
interface AskedColumn {
  readonly column: MatrixColumn
  readonly others: readonly { readonly method: string; readonly segments: readonly string[] }[]
}

/** Leaves out the requests that belong to a more specific column. */
function withOthers({ column, others }: AskedColumn, asked: readonly AskedColumn[]): MatrixColumn {
  const inner = asked.filter(({ column: { set } }) => compareSpecificity(set, column.set) < 0)
  const own = others.filter(({ method, segments }) => {
    const literal = { trustDomain: '', segments, rest: false }
    return !inner.some(
      ({ column: { set, methods, route } }) =>
        (methods?.has(method) ?? route.method === '*') && intersect(set, literal) !== undefined,
    )
  })
  return { ...column, others: own.map(({ method, segments }) => createExample(method, segments)) }
}

/** Returns the methods that rules and policies distinguish anywhere in a set of paths. */
function listMethods(named: readonly NamedPath[], set: CallerSet): readonly string[] {
  const here = named.filter((each) => intersect(each.set, set) !== undefined)
  return [...new Set(here.flatMap(({ methods }) => [...(methods ?? [])].flatMap(withHead)))].toSorted()
}

function createExample(method: string, segments: readonly string[]): MatrixRoute['example'] {
  // Patterns are decoded, and contain no character that `encodeURI` leaves as it is although a target cannot contain
  // it.
  return Object.freeze({ method, path: encodeURI(`/${segments.join('/')}`) })
}

interface ColumnPath {
  readonly set: CallerSet
  readonly segments: readonly string[]
  readonly allow: CompiledRequirement | undefined
  readonly shown?: string
}

function createColumns({
  named,
  ...place
}: ColumnPath & { readonly named: readonly NamedPath[] }): readonly MatrixColumn[] {
  // Every path that the column covers matches the same patterns as its example.
  const example = { trustDomain: '', segments: place.segments, rest: false }
  const here = named.filter(({ set, methods }) => methods !== undefined && intersect(set, example) !== undefined)
  const methods = [...new Set(here.flatMap((each) => [...(each.methods ?? [])].flatMap(withHead)))].toSorted()
  const distinct = methods.filter((method) => method !== 'HEAD' || !methods.includes('GET'))
  const other = commonMethods.find((method) => !methods.includes(method))
  return [
    ...distinct.map((method) => createColumn(place, method, new Set(withHead(method)))),
    ...(other === undefined ? [] : [createColumn(place, other, undefined)]),
  ]
}

// The handler of GET answers HEAD, so no rule or policy distinguishes them.
function withHead(method: string): readonly string[] {
  return method === 'GET' ? ['GET', 'HEAD'] : [method]
}

function createColumn(
  { set, segments, allow, shown = formatPath(set) }: ColumnPath,
  method: string,
  methods: ReadonlySet<string> | undefined,
): MatrixColumn {
  const pattern = { path: formatPath({ ...set, rest: false }), rest: set.rest }
  const route = Object.freeze({
    method: methods === undefined ? '*' : method,
    path: shown,
    example: createExample(method, segments),
  })
  return { route, pattern, set, methods, allow, others: [] }
}
