import type { RouteOptions } from 'fastify'
import type { AdapterGuard, CompiledRequirement, PathSemantics } from '@countersign/core/adapter'
import { ConfigurationError } from '@countersign/core'
import { parseFastifyRoute } from './route-patterns.ts'
import { findAllows, findDemand } from './route-allows.ts'
import { refuseMisplacedAllow } from './refuse-misplaced-allow.ts'

/**
 * Checks a route at registration, and stores its compiled `allow` with its configuration. `refuseUncovered` later
 * reports all routes that no rule covers.
 *
 * @throws {ConfigurationError} `option_unknown` for a misspelled or misplaced `allow`; for an invalid `allow`, as
 * `guard.compileRoute` does
 */
export function guardRoute(guard: AdapterGuard, route: RouteOptions, semantics: PathSemantics): GuardedRoute {
  refuseMisplacedAllow(route, `route ${describe(route)}`)
  const allows = findAllows(route, `route ${describe(route)}`)
  const allow = compileAllow(guard, route, allows)
  const checked = route.config?.allow
  const guarded: GuardedRoute = {
    name: describe(route),
    url: route.url,
    routeAllow: allow,
    allows,
    uncovered: findUncovered(guard, route, semantics, allow),
    isOpen: isOpenToAnonymous(guard, route, semantics, allow),
    hasParameter: route.url.includes(':'),
    checkUnchanged: () => {
      refuseMisplacedAllow(route, `route ${describe(route)}`)
      if (route.config?.allow === checked && findRoute(route.config ?? {}) === guarded) return
      refuse(
        route,
        'config was replaced, or config.allow changed, after the route was registered; set config where the route is declared, and extend it with { ...route.config, … }',
      )
    },
  }
  const config: GuardedConfig = { ...route.config, [guardedRoute]: guarded }
  Reflect.set(route, 'config', config)
  return guarded
}

// Returns why some method or path of a route would always be denied, or undefined if all are covered.
function findUncovered(
  guard: AdapterGuard,
  route: RouteOptions,
  semantics: PathSemantics,
  allow: CompiledRequirement | undefined,
): string | undefined {
  for (const { rules } of guard.layersInForce.all()) {
    // Requests with other methods are refused as unknown; `app.all` registers some of those methods.
    const known = [route.method].flat().filter((method) => rules.knownMethods.has(method))
    if (known.length === 0) return 'its method is unknown; add it to the methods of a rule that covers the route'
    for (const method of known) {
      for (const form of parseFastifyRoute(route.url)) {
        const rule = rules.findCovering(method, form, semantics)
        const shape = `${method} ${form.path}${form.rest ? '/**' : ''}`
        if (rule === undefined) return `no single rule covers ${shape}, so it would be denied; add one that does`
        if (rule.allow.deferToRoute && allow === undefined) {
          return `rule '${rule.text}' leaves ${shape} to the route; add onRequest: allow(…) or config: { allow: … } to the route, or a rule for it`
        }
      }
    }
  }
  return undefined
}

// A rule leaves the decision to this route, and its `allow` admits callers without a credential.
function isOpenToAnonymous(
  guard: AdapterGuard,
  { url, method }: RouteOptions,
  semantics: PathSemantics,
  allow: CompiledRequirement | undefined,
): boolean {
  if (allow?.admitsAnonymous !== true) return false
  return [method]
    .flat()
    .some((each) =>
      parseFastifyRoute(url).some(
        (form) => guard.rules.findCovering(each, form, semantics)?.allow.deferToRoute === true,
      ),
    )
}

/**
 * Refuses all routes that no rule covers, in one error.
 *
 * @throws {ConfigurationError} `route_uncovered`
 */
export function refuseUncovered(routes: readonly GuardedRoute[]): void {
  const uncovered = routes.filter(({ uncovered: why }) => why !== undefined)
  // Fastify adds a HEAD route for each GET route.
  const found = uncovered.filter(
    ({ name, url }) => name !== `HEAD ${url}` || !uncovered.some((other) => other.name === `GET ${url}`),
  )
  if (found.length === 0) return
  const findings = found.map(({ name, uncovered: why }) => `route ${name}: ${why}`)
  const message =
    findings.length === 1 ? findings.join('') : `${findings.length} routes are not covered: ${findings.join('; ')}`
  throw new ConfigurationError('route_uncovered', message, { value: found.map(({ url }) => url) })
}

/** A route that was checked at registration. */
export interface GuardedRoute {
  /** Method and path, for messages. */
  readonly name: string
  readonly url: string
  /** Why the route would always be denied, or undefined. */
  readonly uncovered: string | undefined
  /** The route's own requirement, applied in addition to the rules. */
  readonly routeAllow: CompiledRequirement | undefined
  /** The `allow()` hooks whose requirements are part of `routeAllow`. */
  readonly allows: readonly object[]
  /** True if anonymous callers can reach it while permissive mode lasts, by its own `allow` alone. */
  readonly isOpen: boolean
  /** True if the path may end in a parameter, which can be empty. */
  readonly hasParameter: boolean
  /** Throws if a later `onRoute` hook changed a checked property, because the change would be ignored. */
  readonly checkUnchanged: () => void
}

/** Returns the route that belongs to a configuration, or undefined if no route matched. */
export function findRoute(config: object): GuardedRoute | undefined {
  return isGuarded(config) ? config[guardedRoute] : undefined
}

function compileAllow(
  guard: AdapterGuard,
  route: RouteOptions,
  allows: readonly object[],
): CompiledRequirement | undefined {
  const { config = {} } = route
  const where = `route ${describe(route)}`
  const demands = [
    ...('allow' in config ? [guard.compileRoute(config.allow, `${where}: config.allow`)] : []),
    ...allows.map((hook) => guard.compileRoute(findDemand(hook), `${where}: allow`)),
  ]
  if (demands.length < 2) return demands[0]
  return guard.compileRoute({ allOf: demands.map(({ source }) => source) }, `${where}: config.allow and allow(…)`)
}

const guardedRoute: unique symbol = Symbol('countersign.route')

interface GuardedConfig {
  readonly [guardedRoute]: GuardedRoute
}

function isGuarded(config: object): config is GuardedConfig {
  return guardedRoute in config
}

function refuse(route: RouteOptions, finding: string): never {
  throw new ConfigurationError('route_uncovered', `route ${describe(route)}: ${finding}`, { value: route.url })
}

function describe({ method, url }: RouteOptions): string {
  return `${[method].flat().join(',')} ${url}`
}
