import {
  type AccessMatrix,
  type AskedRoute,
  compileRouteRequirement,
  createAccessMatrix,
  type LoggedRequest,
  type PathSemantics,
  type PossibleCallers,
  type Requirement,
} from '@countersign/authorization'
import { SpiffeIdError } from '@countersign/spiffe'
import { parseOptions, parseStringList, refuseValue } from '@countersign/spiffe/options'
import { checkSemantics, type ExplainContext, type ExplainOptions, suppose } from './explain-question.ts'
import { createPossibleWorkloads } from './principal/possible-callers.ts'
import type { Principal } from './principal/principal.ts'

/** A route of the application, for `guard.accessMatrix`. */
export interface MatrixQuestionRoute {
  /** Default: each method that rules and policies distinguish. */
  readonly method?: string
  /** A path, or a pattern with `*`, `**` or parameters such as `:id`. */
  readonly path: string
  /** The route's own requirement, if it has one. */
  readonly allow?: Requirement | readonly string[]
}

/** Options of `guard.accessMatrix`. */
export interface MatrixQuestion {
  /** Default: the paths and patterns of rules and policies, and any other path. */
  readonly routes?: readonly MatrixQuestionRoute[]
  /** Names of callers to show besides those in rules and policies, such as all services of a platform. Default: none. */
  readonly callers?: readonly string[]
  /** Requests that were received. Their callers become rows, and each cell states whether it was used. Default: none. */
  readonly log?: readonly LoggedRequest[]
  /** How the router reads paths. Default: exact matching. */
  readonly semantics?: PathSemantics
}

/**
 * Returns who may call what, decided by the functions that decide real requests. The callers are hypothetical, and
 * authenticate with the certificate of their connection.
 *
 * @throws {ConfigurationError} if the question is not valid, or the matrix would have over two million cells
 */
export function answerMatrix(question: MatrixQuestion, { options, isPermissive }: ExplainContext): AccessMatrix {
  parseOptions(question, ['routes', 'callers', 'log', 'semantics'], 'accessMatrix')
  const { routes, callers, log, semantics } = question
  checkSemantics(semantics, 'accessMatrix: semantics')
  const { latest } = options.revisions
  return createAccessMatrix({
    layers: latest.current(),
    callers: findDerivedCallers(options),
    principalOf: (caller) => supposeOrNone(caller, options),
    ...(callers !== undefined && { rows: parseStringList(callers, 'accessMatrix: callers') }),
    ...(routes !== undefined && { routes: parseRoutes(routes, options) }),
    ...(log !== undefined && { log }),
    ...(semantics !== undefined && { semantics }),
    isPermissive,
    hasAuthorizer: options.authorizer !== undefined,
    ...(latest.revision !== undefined && { revision: latest.revision }),
  })
}

/** Returns the callers that can exist, where only derived authorities have holders. */
export function findDerivedCallers({ scope, callers, localTrustDomain, namespaces }: ExplainOptions): PossibleCallers {
  if (scope.kind === 'subject') return callers
  return createPossibleWorkloads(scope.trustDomains, { localTrustDomain, namespaces }, callers.credentials)
}

// A log may contain names that are not valid callers of this guard.
function supposeOrNone(caller: string, options: ExplainOptions): Principal | undefined {
  try {
    return suppose(caller, options) ?? undefined
  } catch (error) {
    if (error instanceof SpiffeIdError) return undefined
    throw error
  }
}

function parseRoutes(input: unknown, { localTrustDomain, callers }: ExplainOptions): readonly AskedRoute[] {
  if (!Array.isArray(input)) refuseValue('accessMatrix: routes', input, 'a list of routes')
  return input.map((route: unknown, index) => {
    const where = `accessMatrix: routes[${index}]`
    const { method, path, allow } = parseOptions(route, ['method', 'path', 'allow'], where)
    if (typeof path !== 'string') refuseValue(`${where}.path`, path, "a path such as '/invoices/:id'")
    if (method !== undefined && typeof method !== 'string')
      refuseValue(`${where}.method`, method, "a method such as 'GET'")
    return {
      path,
      ...(method !== undefined && { method }),
      ...(allow !== undefined && {
        allow: compileRouteRequirement(allow, { where: `${where}.allow`, localTrustDomain, callers }),
      }),
    }
  })
}
