import { readAccount } from '../account.ts'
import type { CallerSet, PossibleCallers } from '../possible-callers.ts'
import type { Principal } from '../principal.ts'
import type { Layers } from '../policy/decide-policies.ts'
import type { MatrixRow } from './access-matrix.ts'
import { listNamedCallers } from './caller-sets.ts'
import { closeSets, formatPath, isLiteral, pickExample } from './example-set.ts'
import { findUnseen } from './find-unseen.ts'
import type { LoggedRequest } from './matrix-usage.ts'

/** A row of the matrix, before its cells are decided. */
export interface MatrixCaller {
  readonly name: string
  readonly kind: MatrixRow['kind']
  readonly example: string | undefined
  /** Null for anonymous callers. Undefined if the guard would not authenticate the caller. */
  readonly principal: Principal | null | undefined
}

/** Where rows come from. */
export interface RowSources {
  readonly layers: Layers
  readonly callers: PossibleCallers
  readonly principalOf: (caller: string) => Principal | undefined
  readonly rows?: readonly string[]
  readonly log?: readonly LoggedRequest[]
  readonly isPermissive: boolean
}

/**
 * Returns the rows of a matrix: callers by name, then classes from specific to general, then anonymous callers while
 * permissive mode lasts.
 */
export function listRows(sources: RowSources): readonly MatrixCaller[] {
  const { layers, callers, principalOf, rows = [], log = [], isPermissive } = sources
  const named = listNamedCallers(layers, callers)
  const accepted = new Set(callers.everyone.map(({ trustDomain }) => trustDomain))
  const sets = closeSets([...callers.everyone, ...named.sets.filter(({ trustDomain }) => accepted.has(trustDomain))])
  const given = [...rows, ...log.flatMap(({ caller }) => caller ?? [])]
  const names = new Set([...given, ...sets.filter(isLiteral).map(formatName)])
  const unseen = findUnseen(layers, given)
  const principal = isPermissive ? null : undefined
  const anonymous: MatrixCaller = { name: 'anonymous', kind: 'anonymous', example: undefined, principal }
  return [
    ...[...names].toSorted().map((name) => createWorkload(name, principalOf)),
    ...sets.filter((set) => !isLiteral(set)).flatMap((set) => createClass(set, sets, unseen, sources)),
    ...named.authorities.flatMap((authority) => createHolder(authority, unseen, sources)),
    ...(isPermissive || log.some(({ caller }) => caller === null) ? [anonymous] : []),
  ]
}

function createWorkload(name: string, principalOf: RowSources['principalOf']): MatrixCaller {
  return { name, kind: 'workload', example: undefined, principal: principalOf(name) }
}

function createClass(
  set: CallerSet,
  sets: readonly CallerSet[],
  unseen: string,
  { callers, principalOf }: RowSources,
): readonly MatrixCaller[] {
  const segments = pickExample(set, sets, unseen, [completeAccount(set, unseen)])
  if (segments === undefined) return []
  const example = formatName({ ...set, segments, rest: false })
  return [{ name: describeClass(set, callers), kind: 'class', example, principal: principalOf(example) }]
}

// Most workloads have the form `/ns/<namespace>/sa/<service account>`, so the example of a class has this form if
// possible.
function completeAccount({ segments }: CallerSet, unseen: string): readonly string[] {
  const form = ['ns', unseen, 'sa', unseen]
  const isPossible = segments.every(
    (segment, index) => index % 2 === 1 || segment === undefined || segment === form[index],
  )
  return isPossible ? form.slice(segments.length) : []
}

function describeClass(set: CallerSet, { localTrustDomain }: PossibleCallers): string {
  const { trustDomain, segments, rest } = set
  if (segments.length === 0) return `any other workload of ${trustDomain}`
  const [ns, namespace, sa, account] = segments
  const isNamespace = segments.length === 4 && !rest && ns === 'ns' && sa === 'sa' && account === undefined
  if (isNamespace && namespace !== undefined && trustDomain === localTrustDomain)
    return `any other workload of ns/${namespace}`
  return `any other workload that matches ${formatName(set)}`
}

/** Creates an example of the callers that have an authority, because it may be granted to any caller. */
function createHolder(
  authority: string,
  unseen: string,
  { callers, principalOf }: RowSources,
): readonly MatrixCaller[] {
  const { localTrustDomain } = callers
  if (localTrustDomain === undefined) return []
  const example = `spiffe://${localTrustDomain}/ns/${unseen}/sa/${unseen}`
  const principal = principalOf(example)
  if (principal === undefined) return []
  const authorities = Object.freeze([...principal.authorities, authority])
  return [
    {
      name: `any other caller with the authority ${authority}`,
      kind: 'class',
      example,
      principal: Object.freeze({ ...copyPrincipal(principal), authorities, hasAuthority: createHolding(authorities) }),
    },
  ]
}

function createHolding(authorities: readonly string[]): Principal['hasAuthority'] {
  return (name) => authorities.includes(name)
}

// Some properties of a principal are inherited.
function copyPrincipal(principal: Principal): Omit<Principal, 'authorities' | 'hasAuthority'> {
  const { name, spiffeId, trustDomain, credential, expiresAt } = principal
  return {
    name,
    ...(spiffeId !== undefined && { spiffeId, ...readAccount(spiffeId) }),
    ...(trustDomain !== undefined && { trustDomain }),
    credential,
    expiresAt,
  }
}

function formatName(set: CallerSet): string {
  return set.trustDomain === '' ? (set.segments[0] ?? '') : `spiffe://${set.trustDomain}${formatPath(set)}`
}
