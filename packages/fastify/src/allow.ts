import type { FastifyRequest } from 'fastify'
import {
  type AdapterGuard,
  type CompiledRequirement,
  describeValue,
  type GuardedRequest,
  isCallable,
  isDenial,
  parseRequirement,
} from '@countersign/core/adapter'
import { ConfigurationError, type Principal, type Requirement } from '@countersign/core'
import { isAnonymous } from './anonymous-requests.ts'
import { createConfigReader } from './fastify-internals.ts'
import { findRoute } from './guard-route.ts'
import { findGuard } from './guarded-instance.ts'
import type { EventLog } from './log-to-fastify.ts'
import { readReceived } from './read-request.ts'
import { registerAllow, registerUncalled } from './route-allows.ts'
import { type DenyingReply, sendDenial, sendUnavailable } from './send-denial.ts'

/** The hook that `allow()` creates, for `onRequest`, `preValidation` or `preHandler`. */
export interface AllowHook extends RunAllow {
  /** The hook itself, so that `{ ...allow(…) }` means `{ onRequest: allow(…) }`. */
  readonly onRequest: RunAllow
}

/** The function that Fastify calls. */
export type RunAllow = (request: AllowRequest, reply: DenyingReply, done: (error?: Error) => void) => void

/** What the hook reads of a Fastify request, whatever the server type. */
export interface AllowRequest extends Pick<FastifyRequest, 'routeOptions'> {
  readonly principal: Principal | null
  readonly raw: GuardedRequest
  readonly server: object
  readonly log: EventLog
}

/**
 * Creates a hook that narrows what the rules allow, for one route or for all routes of a child instance. Takes a
 * requirement or a list of caller patterns. Unlike `config: { allow: … }`, it does not depend on the plugin: without
 * the plugin such a route answers 503, whereas `config.allow` would be ignored.
 *
 * @throws {ConfigurationError} if the value is not a requirement
 * @example
 * app.post('/internal/refunds', { onRequest: allow(serviceAccounts('production/core-api')) }, handler)
 */
export function allow(requirement: Requirement | readonly string[]): AllowHook
export function allow(requirement: Requirement | readonly string[], ...more: readonly unknown[]): AllowHook {
  const [second, done] = more
  if (isCallable(done)) return failUncalled(done)
  if (second !== undefined) refuseSecond(second)
  const parsed = parseRequirement(requirement, 'allow')
  if ('perRoute' in parsed) {
    throw new ConfigurationError('rule_invalid', "allow: found perRoute(), expected the route's own requirement")
  }
  const compiled = new WeakMap<AdapterGuard, CompiledRequirement>()
  const compile = (guard: AdapterGuard): CompiledRequirement => {
    const made = compiled.get(guard) ?? guard.compileRoute(parsed, 'allow')
    compiled.set(guard, made)
    return made
  }
  const readConfig = createConfigReader()
  const decide = (request: AllowRequest, reply: DenyingReply): boolean => {
    const found = findGuard(request.server)
    const { principal } = request
    if (found === undefined || (principal === null && !isAnonymous(request.raw))) {
      sendUnavailable(reply)
      return false
    }
    const { guard, deciding } = found
    const raw = readReceived(request.raw)
    // The plugin has already decided a route with this hook, together with the rules.
    if (findRoute(readConfig(request))?.allows.includes(run) === true) return true
    deciding.log = request.log
    const verdict = admit(guard, raw, principal, compile)
    deciding.log = undefined
    if (verdict === null || !isDenial(verdict)) return true
    sendDenial(guard, verdict, raw, reply)
    return false
  }
  const run: RunAllow = (request, reply, done) => {
    if (typeof Reflect.get(reply, 'code') !== 'function') {
      done(new ConfigurationError('registration_invalid', foreign))
      return
    }
    if (decide(request, reply)) done()
  }
  registerAllow(run, parsed)
  return Object.assign(run, { onRequest: run })
}

// A silently ignored second requirement would look as if it were in force.
function refuseSecond(found: unknown): never {
  const message = `allow: found ${describeValue(found)} as a second argument, expected one requirement; combine several with anyOf() or allOf()`
  throw new ConfigurationError('option_invalid', message)
}

function admit(
  guard: AdapterGuard,
  raw: GuardedRequest,
  principal: Principal | null,
  compile: (guard: AdapterGuard) => CompiledRequirement,
): ReturnType<AdapterGuard['admitRoute']> {
  try {
    return guard.admitRoute(raw, principal, compile(guard))
  } catch (error) {
    // The hook of a child instance cannot be checked at startup.
    return guard.deny(raw, principal, 'evaluation_error', error instanceof Error ? error.message : String(error))
  }
}

// Passes the error to `done`, because an exception in a hook would end the process.
function failUncalled(done: (...given: never) => unknown): AllowHook {
  const message = 'allow was used as a hook without being called; write onRequest: allow(…)'
  Reflect.apply(done, undefined, [new ConfigurationError('registration_invalid', message)])
  return allow({ denyAll: true })
}

registerUncalled(allow, 'allow')

const foreign =
  'allow: called by another framework, expected Fastify; for Express import allow from @countersign/express'
