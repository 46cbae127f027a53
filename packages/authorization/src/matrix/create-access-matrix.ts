import { ConfigurationError } from '@countersign/spiffe/id'
import { exactSemantics, type PathSemantics } from '../path-semantics.ts'
import type { PossibleCallers } from '../possible-callers.ts'
import type { Principal } from '../principal.ts'
import type { Layers } from '../policy/decide-policies.ts'
import type { AccessMatrix, AskedRoute, MatrixCell, MatrixRoute, MatrixRow } from './access-matrix.ts'
import { CellDecider } from './decide-cell.ts'
import { type LoggedRequest, MatrixUsage } from './matrix-usage.ts'
import { listColumns, type MatrixColumn } from './matrix-columns.ts'
import { listRows, type MatrixCaller } from './matrix-rows.ts'

/** Options of `createAccessMatrix`. */
export interface AccessMatrixOptions {
  readonly layers: Layers
  /** The callers that can exist. `holdersOf` has to return only the holders of derived authorities. */
  readonly callers: PossibleCallers
  /** Returns the principal of a caller, or undefined if the guard would not authenticate it. */
  readonly principalOf: (caller: string) => Principal | undefined
  /** Callers to add to those that rules and policies name. Default: none. */
  readonly rows?: readonly string[]
  /** Default: the paths and patterns of rules and policies, and any other path. */
  readonly routes?: readonly AskedRoute[]
  /** True while permissive mode lasts: adds the row for anonymous callers. Default: false. */
  readonly isPermissive?: boolean
  /** True if an authorizer decides requests that all other layers allow. Default: false. */
  readonly hasAuthorizer?: boolean
  /** How the router reads paths. Default: exact matching. */
  readonly semantics?: PathSemantics
  /** Requests that were received. Their callers become rows, and each cell states whether it was used. */
  readonly log?: readonly LoggedRequest[]
  readonly revision?: string
}

/**
 * Returns who may call what, decided by the functions that decide real requests. A wildcard has a row or a column of
 * its own, which is decided for an example that occurs nowhere in rules and policies.
 *
 * @throws {ConfigurationError} `option_invalid` if the matrix would have over two million cells
 */
export function createAccessMatrix(options: AccessMatrixOptions): AccessMatrix {
  const { semantics = exactSemantics, isPermissive = false, hasAuthorizer = false, revision, log } = options
  const columns = listColumns(options)
  const callers = listRows({ ...options, isPermissive })
  refuseTooLarge(callers.length, columns)
  const decider = new CellDecider({ ...options, semantics, hasAuthorizer })
  const usage = log === undefined ? undefined : new MatrixUsage(columns, log)
  return Object.freeze({
    ...(revision !== undefined && { revision }),
    routes: Object.freeze(columns.map(({ route }) => route)),
    rows: Object.freeze(callers.map((caller) => createRow(caller, columns, decider, usage))),
  })
}

const mostCells = 2_000_000

function refuseTooLarge(rows: number, columns: readonly MatrixColumn[]): void {
  const requests = columns.reduce((sum, { others }) => sum + 1 + others.length, 0)
  if (rows * requests <= mostCells) return
  throw new ConfigurationError(
    'option_invalid',
    `accessMatrix: found ${rows} callers and ${requests} routes, expected at most ${mostCells} cells; list the routes of interest`,
  )
}

function createRow(
  { name, kind, example, principal }: MatrixCaller,
  columns: readonly MatrixColumn[],
  decider: CellDecider,
  usage: MatrixUsage | undefined,
): MatrixRow {
  const cells = columns.map((column) => {
    const cell = decideColumn(column, principal, decider)
    if (usage === undefined || cell.effect === 'deny') return cell
    const isUsed = usage.isUsed(kind, name, column, cell.rule)
    return isUsed === undefined ? cell : Object.freeze({ ...cell, isUsed })
  })
  return Object.freeze({ caller: name, kind, ...(example !== undefined && { example }), cells: Object.freeze(cells) })
}

/** Decides the example of a column, and whether the column has paths that are decided differently. */
function decideColumn(
  { route, allow, others }: MatrixColumn,
  principal: MatrixCaller['principal'],
  decider: CellDecider,
): MatrixCell {
  const cell = decider.decide({ principal, ...route.example, allow })
  if (cell.effect === 'depends') return cell
  for (const example of others) {
    const other = decider.decide({ principal, ...example, allow })
    if (other.effect === cell.effect) continue
    const because = `the path or method: ${describeCell(route.example, cell)}; ${describeCell(example, other)}`
    return Object.freeze({ ...cell, effect: 'depends', because })
  }
  return cell
}

function describeCell({ method, path }: MatrixRoute['example'], { effect, because }: MatrixCell): string {
  return `${method} ${path}: ${effect}, ${because}`
}
