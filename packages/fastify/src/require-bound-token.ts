import {
  BoundTokenCheck,
  type BoundTokenOptions,
  isAbandoned,
  isCallable,
  isDenial,
  refuseValue,
  type TokenRefusal,
} from '@countersign/core/adapter'
import { ConfigurationError } from '@countersign/core'
import type { AllowRequest } from './allow.ts'
import { isAnonymous } from './anonymous-requests.ts'
import { findGuard, type InstanceGuard } from './guarded-instance.ts'
import { readReceived } from './read-request.ts'
import { registerHook, registerUncalled } from './route-allows.ts'
import { type DenyingReply, sendDenial, sendUnavailable } from './send-denial.ts'

/** The hook that `requireBoundToken()` creates, for `onRequest`, `preValidation` or `preHandler`. */
export interface BoundTokenHook extends RunBoundToken {
  /** The hook itself, so that `{ ...requireBoundToken(…) }` means `{ onRequest: requireBoundToken(…) }`. */
  readonly onRequest: RunBoundToken
}

/** The function that Fastify calls. */
export type RunBoundToken = (
  request: AllowRequest,
  reply: DenyingReply & { readonly raw: object },
  done: (error?: Error) => void,
) => void

/**
 * Creates a hook that requires an access token bound to the caller's certificate (RFC 8705 §3), in addition to what the
 * rules require. `verify` receives the Bearer token, verifies it (signature, issuer, audience, expiry) and returns its
 * claims. The hook compares `cnf['x5t#S256']` with the certificate that proved the caller of this request.
 *
 * A missing, invalid or unbound token is answered with 401. Without the plugin, every request is answered with 503.
 *
 * @throws {ConfigurationError} `option_unknown` or `option_invalid`
 * @example
 * app.get('/payments', { onRequest: requireBoundToken({ verify: (token) => verifyAccessToken(token) }) }, handler)
 * @see https://www.rfc-editor.org/rfc/rfc8705#section-3
 */
export function requireBoundToken(options: BoundTokenOptions): BoundTokenHook
export function requireBoundToken(options: BoundTokenOptions, ...more: readonly unknown[]): BoundTokenHook {
  const [second, done] = more
  if (isCallable(done)) return failUncalled(done)
  if (second !== undefined)
    refuseValue('requireBoundToken: the second argument', second, 'none; all options are in the first')
  const check = new BoundTokenCheck(options)
  const run: RunBoundToken = (request, reply, done) => {
    if (typeof Reflect.get(reply, 'code') !== 'function') {
      done(new ConfigurationError('registration_invalid', foreign))
      return
    }
    const found = findGuard(request.server)
    if (found === undefined || (request.principal === null && !isAnonymous(request.raw))) {
      sendUnavailable(reply)
      return
    }
    const waiting = { ...found, request, reply, done }
    void check.check(readReceived(request.raw).rawHeaders, request.principal).then((refusal) =>
      // In a tick of its own, so that what a handler throws is an uncaught exception, as it would be without waiting.
      process.nextTick(() => conclude(refusal, waiting)),
    )
  }
  registerHook(run, 'requireBoundToken')
  return Object.assign(run, { onRequest: run })
}

interface Waiting extends InstanceGuard {
  readonly request: AllowRequest
  readonly reply: Parameters<RunBoundToken>[1]
  readonly done: () => void
}

function conclude(refusal: TokenRefusal | undefined, { guard, deciding, request, reply, done }: Waiting): void {
  if (isAbandoned(reply.raw)) {
    // The handler must not run for a caller that has disconnected.
    reply.hijack()
    return
  }
  const raw = readReceived(request.raw)
  deciding.log = request.log
  const verdict = guard.admitToken(raw, request.principal, refusal)
  deciding.log = undefined
  if (isDenial(verdict)) sendDenial(guard, verdict, raw, reply)
  else done()
}

// Passes the error to `done`, because an exception in a hook would end the process.
function failUncalled(done: (...given: never) => unknown): BoundTokenHook {
  const message = 'requireBoundToken was used as a hook without being called; write onRequest: requireBoundToken(…)'
  Reflect.apply(done, undefined, [new ConfigurationError('registration_invalid', message)])
  return requireBoundToken({ verify: () => undefined })
}

registerUncalled(requireBoundToken, 'requireBoundToken')

const foreign =
  'requireBoundToken: called by another framework, expected Fastify; for Express import it from @countersign/express'
