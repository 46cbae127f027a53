import {
  type AdapterGuard,
  type CompiledRequirement,
  describeValue,
  type GuardedRequest,
  isCallable,
  isDenial,
  parseRequirement,
  type Verdict,
} from '@countersign/core/adapter'
import { ConfigurationError, type Requirement } from '@countersign/core'
import { type Admission, findAdmission } from './admission.ts'
import type { Middleware } from './countersign.ts'
import { MiddlewareMark } from './middleware-mark.ts'
import { readTarget, viewRequest } from './read-target.ts'
import { sendDenial, sendUnavailable } from './send-denial.ts'

/**
 * Creates a route middleware that narrows what the rules allow. Takes a requirement or a list of caller patterns. If
 * `countersign()` has not run, every request is answered with 503.
 *
 * @throws {ConfigurationError} if the value is not a requirement
 * @example app.get('/internal/billing/invoices', allow(serviceAccounts('production/core-api')), handler)
 */
export function allow(requirement: Requirement | readonly string[]): Middleware
export function allow(requirement: Requirement | readonly string[], ...more: readonly unknown[]): Middleware {
  refuseMore(more)
  const parsed = parseRequirement(requirement, 'allow')
  if ('perRoute' in parsed) {
    throw new ConfigurationError('rule_invalid', "allow: found perRoute(), expected the route's own requirement")
  }
  // The local trust domain is the guard's, and only a request shows which guard that is.
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
      sendUnavailable(response)
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
          'a middleware after countersign() changed the method or the path; mount it before countersign()',
        )
      : admitRoute(admission, view, compile)
    if (verdict !== null && isDenial(verdict)) sendDenial(guard, verdict, view, response)
    else next()
  }
  narrowing.set(middleware, compile)
  return middleware
}

// If a second requirement were silently ignored, its author would rely on it.
function refuseMore([found, next]: readonly unknown[]): void {
  if (found === undefined) return
  const message = isCallable(next)
    ? 'allow was passed to a route without being called; write allow(…)'
    : `allow: found ${describeValue(found)} as a second argument, expected one requirement; combine several with anyOf() or allOf()`
  throw new ConfigurationError('option_invalid', message)
}

/**
 * Returns whether a middleware was created by `allow`, and therefore denies every request that no guard has decided.
 */
export function isAllow(middleware: object): boolean {
  return narrowing.get(middleware) !== undefined
}

/**
 * Checks at startup that the guard's callers can meet the requirement of an `allow` middleware.
 *
 * @throws {ConfigurationError} `rule_invalid` if none of them can
 */
export function checkAllow(middleware: object, guard: AdapterGuard): void {
  narrowing.get(middleware)?.(guard)
}

const foreign =
  'allow: called by another framework, expected Express; for Fastify import allow from @countersign/fastify'

const narrowing = new MiddlewareMark<(guard: AdapterGuard) => CompiledRequirement>('countersign.allow')

function admitRoute(
  { guard, principal }: Admission,
  view: GuardedRequest,
  compile: (guard: AdapterGuard) => CompiledRequirement,
): Verdict {
  try {
    return guard.admitRoute(view, principal, compile(guard))
  } catch (error) {
    // Without `createServer` this was not checked at startup, and Express would reveal the error to the caller.
    return guard.deny(view, principal, 'evaluation_error', error instanceof Error ? error.message : String(error))
  }
}
