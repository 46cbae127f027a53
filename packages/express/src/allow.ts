import {
  type AdapterGuard,
  type CompiledRequirement,
  describeValue,
  type GuardedRequest,
  isCallable,
  isDenial,
  parseRequirement,
} from '@countersign/core/adapter'
import { ConfigurationError, type Denial, type Principal, type Requirement } from '@countersign/core'
import { type Admission, findAdmission } from './admission.ts'
import type { Middleware } from './countersign.ts'
import { MiddlewareMark } from './middleware-mark.ts'
import { readTarget, viewRequest } from './read-target.ts'
import { sendDenial } from './send-denial.ts'

/**
 * Creates the middleware of one route that narrows what the rules let pass: a requirement, or a list of caller
 * patterns. Where `countersign()` did not run, every request is answered 503.
 *
 * @throws {ConfigurationError} for what is no requirement
 * @example app.get('/internal/billing/invoices', allow(serviceAccounts('production/core-api')), handler)
 */
export function allow(requirement: Requirement | readonly string[]): Middleware
export function allow(requirement: Requirement | readonly string[], ...more: readonly unknown[]): Middleware {
  refuseMore(more)
  const parsed = parseRequirement(requirement, 'allow')
  if ('perRoute' in parsed) {
    throw new ConfigurationError('rule_invalid', 'allow: found perRoute(), expected what the route demands')
  }
  // The local trust domain is the guard's, and which guard that is a request tells.
  const compiled = new WeakMap<AdapterGuard, CompiledRequirement>()
  const compile = (guard: AdapterGuard): CompiledRequirement => {
    const made = compiled.get(guard) ?? guard.compileRoute(parsed, 'allow')
    compiled.set(guard, made)
    return made
  }
  const middleware: Middleware = (request, response, next) => {
    if (typeof Reflect.get(response, 'writeHead') !== 'function') {
      next(new ConfigurationError('registration_invalid', foreign))
      return
    }
    const admission = findAdmission(request)
    if (admission === undefined) {
      // No guard, so no log and no format either; nobody is told more than that.
      response.writeHead(503, { 'content-type': 'application/problem+json', 'cache-control': 'no-store' })
      response.end(
        JSON.stringify({
          type: 'about:blank',
          title: 'Service Unavailable',
          status: 503,
          code: 'authorization_unavailable',
        }),
      )
      return
    }
    const { guard, principal } = admission
    const { url } = readTarget(request)
    const view = viewRequest(request, url)
    const isRewritten = request.method !== admission.method || url !== admission.url
    const verdict = isRewritten
      ? guard.deny(
          view,
          principal,
          'request_rewritten',
          'a middleware behind countersign() changed method or path; mount it before',
        )
      : admitRoute(admission, view, compile)
    if (isDenial(verdict)) sendDenial(guard, verdict, view, response)
    else next()
  }
  narrowing.set(middleware, compile)
  return middleware
}

// Ignored, a second requirement would be one that its author believes to be in force.
function refuseMore([found, next]: readonly unknown[]): void {
  if (found === undefined) return
  const finding = isCallable(next)
    ? 'found a request, because it stands in a route without being called; expected allow(…)'
    : `found ${describeValue(found)} as a second argument; expected one requirement, in which anyOf() or allOf() combines several`
  throw new ConfigurationError('option_invalid', `allow: ${finding}`)
}

/** Whether a middleware was made by `allow`, and so lets nobody pass where no guard has run. */
export function isAllow(middleware: object): boolean {
  return narrowing.get(middleware) !== undefined
}

/**
 * Checks at start what a middleware that `allow` made demands of this guard's callers.
 *
 * @throws {ConfigurationError} `rule_invalid` for what none of them can ever have
 */
export function checkAllow(middleware: object, guard: AdapterGuard): void {
  narrowing.get(middleware)?.(guard)
}

const foreign =
  'allow: found another framework, expected Express; import allow from @countersign/fastify for a hook of Fastify'

const narrowing = new MiddlewareMark<(guard: AdapterGuard) => CompiledRequirement>('countersign.allow')

function admitRoute(
  { guard, principal }: Admission,
  view: GuardedRequest,
  compile: (guard: AdapterGuard) => CompiledRequirement,
): Principal | Denial {
  try {
    return guard.admitRoute(view, principal, compile(guard))
  } catch (error) {
    // Without `createServer` nobody has checked it at start, and Express would tell the caller what is wrong.
    return guard.deny(view, principal, 'evaluation_error', error instanceof Error ? error.message : String(error))
  }
}
