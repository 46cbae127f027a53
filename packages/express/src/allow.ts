import {
  type CompiledRequirement,
  ConfigurationError,
  type Guard,
  isDenial,
  parseRequirement,
  type Requirement,
} from '@countersign/core'
import { admissions } from './admission.ts'
import type { Middleware } from './countersign.ts'
import { readTarget, viewRequest } from './read-target.ts'
import { sendDenial } from './send-denial.ts'

/**
 * Creates the middleware of one route that narrows what the rules let pass: a requirement, or a list of caller
 * patterns. Where `countersign()` did not run, every request is answered 503.
 *
 * @throws {ConfigurationError} for what is no requirement
 * @example app.get('/internal/billing/invoices', allow(serviceAccounts('production/core-api')), handler)
 */
export function allow(requirement: Requirement | readonly string[]): Middleware {
  const parsed = parseRequirement(requirement, 'allow')
  if ('perRoute' in parsed) {
    throw new ConfigurationError('rule_invalid', 'allow: found perRoute(), expected what the route demands')
  }
  // The local trust domain is the guard's, and which guard that is a request tells.
  const compiled = new WeakMap<Guard, CompiledRequirement>()
  const middleware: Middleware = (request, response, next) => {
    const admission = admissions.get(request)
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
      : guard.admitRoute(view, principal, findCompiled(compiled, guard, parsed))
    if (isDenial(verdict)) sendDenial(guard, verdict, view, response)
    else next()
  }
  narrowing.add(middleware)
  return middleware
}

/** Whether a middleware was made by `allow`, and so lets nobody pass where no guard has run. */
export function isAllow(middleware: object): boolean {
  return narrowing.has(middleware)
}

const narrowing = new WeakSet<object>()

function findCompiled(
  compiled: WeakMap<Guard, CompiledRequirement>,
  guard: Guard,
  requirement: Requirement,
): CompiledRequirement {
  const known = compiled.get(guard)
  if (known !== undefined) return known
  const made = guard.compileRoute(requirement, 'allow')
  compiled.set(guard, made)
  return made
}
