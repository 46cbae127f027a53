import type { AccessMatrix, MatrixRoute } from '@countersign/core'

/** Routes whose columns are equal. */
export interface FoldedRoute {
  readonly routes: readonly MatrixRoute[]
  /** The index of the first of them, whose cells are shown for all. */
  readonly index: number
}

/** Groups routes with equal columns, in the order of the first route of each group. */
export function foldRoutes({ routes, rows }: AccessMatrix): readonly FoldedRoute[] {
  const folded = new Map<string, { readonly routes: MatrixRoute[]; readonly index: number }>()
  for (const [index, route] of routes.entries()) {
    const key = JSON.stringify(rows.map(({ cells }) => cells[index]))
    const known = folded.get(key)
    if (known === undefined) folded.set(key, { routes: [route], index })
    else known.routes.push(route)
  }
  return [...folded.values()]
}
