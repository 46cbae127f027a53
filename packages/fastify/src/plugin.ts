import type { FastifyInstance, FastifyPluginCallback, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ConfigurationError, type Guard } from '@countersign/core'
import {
  type AdapterGuard,
  describeValue,
  type GuardedRequest,
  isCallable,
  isDenial,
  isGuard,
  isRecord,
  parseOptions,
  type PathSemantics,
  type RequestRouting,
  type Verdict,
} from '@countersign/core/adapter'
import { markAnonymous } from './anonymous-requests.ts'
import {
  createConfigReader,
  hasLogger,
  hasRoutes,
  isRoot,
  readOriginalUrl,
  routesUpgrade,
} from './fastify-internals.ts'
import { followFurtherServers } from './further-servers.ts'
import { findRoute, guardRoute, type GuardedRoute, refuseUncovered } from './guard-route.ts'
import { registerGuard } from './guarded-instance.ts'
import { DecidingRequest, logToFastify } from './log-to-fastify.ts'
import { type Engines, followEngines } from './middleware-engine.ts'
import { isLastParameterEmpty, readReceived } from './read-request.ts'
import { readRouterOptions } from './read-router-options.ts'
import { refuseRestrictingOptions } from './refuse-misplaced-allow.ts'
import { sendDenial } from './send-denial.ts'

/** Options of the plugin. */
export interface CountersignPluginOptions {
  /** The guard from `createGuard`. Its `tlsOptions()` are the `https` option of the instance. */
  readonly guard: Guard
}

/**
 * Authenticates every connection and decides every request of a Fastify instance. Register it on the root instance,
 * with `await`, before any route.
 *
 * @throws {ConfigurationError} `registration_invalid` if it is registered elsewhere or later; `server_unsuitable` if
 * the instance lacks `{ https: guard.tlsOptions() }`; `route_uncovered`, when the instance becomes ready, with all
 * routes that no rule covers
 * @example await app.register(countersign, { guard })
 */
export const countersign: FastifyPluginCallback<CountersignPluginOptions> = fp(
  (app: FastifyInstance, options: CountersignPluginOptions, done: (error?: Error) => void): void => {
    if (!isInstance(app) || !isCallable(done)) {
      const found = isInstance(app) ? 'a direct call of countersign()' : describeValue(app)
      const error = refusal(`found ${found}, expected await app.register(countersign, { guard })`)
      if (!isCallable(done)) throw error
      done(error)
      return
    }
    try {
      register(app, options)
      done()
    } catch (error) {
      done(error instanceof Error ? error : new ConfigurationError('registration_invalid', String(error)))
    }
  },
  { fastify: '5.x', name: '@countersign/fastify' },
)

function register(app: FastifyInstance, options: CountersignPluginOptions): void {
  const guard = checkOptions(options)
  checkPlace(app)
  const semantics = readRouterOptions(app.initialConfig)
  guard.checkSemantics(semantics)
  const deciding = new DecidingRequest()
  // Without a real logger, denials would be lost.
  if (hasLogger(app)) guard.useDefaultLog(logToFastify(app.log, deciding))
  const engines = followEngines(app, guard)
  const readRouting = createRoutingReader(semantics, engines)
  const attachOptions = {
    routesUpgrade: () => routesUpgrades(app),
    routesRequest: () => !engines.isBefore,
    routing: readRouting,
  }
  guard.attach(app.server, attachOptions)
  followFurtherServers(app, (server) => guard.attach(server, attachOptions))
  registerGuard(app, { guard, deciding })
  app.decorateRequest('principal', null)
  const routes: GuardedRoute[] = []
  app.addHook('onRoute', (route) => void routes.push(guardRoute(guard, route, semantics)))
  app.addHook('onRegister', ({ prefix }, childOptions) => refuseRestrictingOptions(childOptions, prefix))
  app.addHook('onReady', (ready) => {
    refuseUncovered(routes)
    for (const { checkUnchanged } of routes) checkUnchanged()
    guard.reportAnonymousRoutes(routes.filter(({ isOpen }) => isOpen).map(({ name }) => name))
    ready()
  })
  const readConfig = createConfigReader()
  // The server has already decided by the rules, unless the target was rewritten or the request came through `inject`.
  app.addHook('onRequest', (request, reply, done) => {
    const { raw } = request
    const route = findRoute(readConfig(request))
    const received = readReceived(raw)
    const routeAllow = route?.routeAllow
    const hasEmptyParameter = route?.hasParameter === true && isLastParameterEmpty(request.params)
    deciding.log = request.log
    const verdict =
      guard.readmit(raw, received, routeAllow, hasEmptyParameter, route?.name) ??
      guard.admit(received, {
        ...readRouting(),
        originalUrl: readOriginalUrl(raw),
        routeAllow,
        hasEmptyParameter,
        routeName: route?.name,
      })
    deciding.log = undefined
    if (verdict instanceof Promise) {
      // In a tick of its own, so that what a handler throws is an uncaught exception, as it would be without waiting.
      void verdict.then((settled) =>
        process.nextTick(() => conclude(guard, settled, { request, received, reply, done })),
      )
    } else if (verdict !== null && isDenial(verdict)) sendDenial(guard, verdict, received, reply)
    else {
      request.principal = verdict
      if (verdict === null) markAnonymous(raw)
      done()
    }
  })
}

interface Waiting {
  readonly request: FastifyRequest
  readonly received: GuardedRequest
  readonly reply: FastifyReply
  readonly done: () => void
}

function conclude(guard: AdapterGuard, verdict: Verdict, { request, received, reply, done }: Waiting): void {
  if (verdict !== null && isDenial(verdict)) sendDenial(guard, verdict, received, reply)
  else {
    request.principal = verdict
    if (verdict === null) markAnonymous(request.raw)
    done()
  }
}

function createRoutingReader(semantics: PathSemantics, engines: Engines): () => RequestRouting {
  const alone: RequestRouting = Object.freeze({ semantics })
  let withEngine: RequestRouting | undefined
  return () => {
    if (engines.semantics === undefined) return alone
    return (withEngine ??= Object.freeze({ semantics, otherSemantics: engines.semantics }))
  }
}

function checkOptions(options: unknown): AdapterGuard {
  if (isGuard(options)) return refuse('found a guard instead of the options, expected { guard }')
  const { guard } = parseOptions(options, ['guard', ...registerOptions], '@countersign/fastify')
  if (isGuard(guard)) return guard
  return refuse(`guard: found ${describeValue(guard)}, expected what createGuard() returns`)
}

// Fastify's own options, with which any plugin may be registered; they have no effect here.
const registerOptions = ['prefix', 'logLevel', 'logSerializers']

function isInstance(value: unknown): boolean {
  return isRecord(value) && isCallable(value['register']) && isCallable(value['addHook'])
}

function checkPlace(app: FastifyInstance): void {
  if (app.hasRequestDecorator('principal')) {
    refuse('found an existing request.principal; register the plugin once, and no other plugin that adds this name')
  }
  // A child instance only covers its own routes, so routes outside it would not be guarded.
  if (!isRoot(app)) {
    refuse('found a child instance, expected the root instance; call app.register on it, outside of any other plugin')
  }
  if (hasRoutes(app)) {
    refuse(
      'found routes that were registered earlier; write `await app.register(countersign, { guard })` before the first route',
    )
  }
}

// @fastify/websocket passes upgrades to the router, where the hook above decides. Any other listener does not, whether
// it is registered as well or, if the plugin listens to another server, instead.
function routesUpgrades(app: FastifyInstance): boolean {
  const [listener, ...more] = app.server.listeners('upgrade')
  const routes = listener !== undefined && routesUpgrade(listener)
  return app.hasDecorator('websocketServer') && routes && more.length === 0
}

function refuse(finding: string): never {
  throw refusal(finding)
}

function refusal(finding: string): ConfigurationError {
  return new ConfigurationError('registration_invalid', `@countersign/fastify: ${finding}`)
}
