import type { IncomingMessage, ServerResponse } from 'node:http'
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
import { type Admission, findAdmission } from './admission.ts'
import type { Middleware } from './countersign.ts'
import { readTarget, viewRequest } from './read-target.ts'
import { sendDenial, sendUnavailable } from './send-denial.ts'

/**
 * Creates a middleware that requires an access token bound to the caller's certificate (RFC 8705 §3), in addition to what
 * the rules require. `verify` receives the Bearer token, verifies it (signature, issuer, audience, expiry) and returns
 * its claims. The middleware compares `cnf['x5t#S256']` with the certificate that proved the caller of this request.
 *
 * A missing, invalid or unbound token is answered with 401. If `countersign()` has not run, every request is answered
 * with 503.
 *
 * @throws {ConfigurationError} `option_unknown` or `option_invalid`
 * @example app.get('/payments', requireBoundToken({ verify: (token) => verifyAccessToken(token) }), handler)
 * @see https://www.rfc-editor.org/rfc/rfc8705#section-3
 */
export function requireBoundToken(options: BoundTokenOptions): Middleware
export function requireBoundToken(options: BoundTokenOptions, ...more: readonly unknown[]): Middleware {
  const [second, next] = more
  if (isCallable(next)) {
    const message = 'requireBoundToken was passed to a route without being called; write requireBoundToken(…)'
    throw new ConfigurationError('option_invalid', message)
  }
  if (second !== undefined)
    refuseValue('requireBoundToken: the second argument', second, 'none; all options are in the first')
  const check = new BoundTokenCheck(options)
  return (request, response, next) => {
    if (typeof Reflect.get(response, 'writeHead') !== 'function') {
      next(new ConfigurationError('registration_invalid', foreign))
      return
    }
    const admission = findAdmission(request)
    if (admission === undefined) {
      sendUnavailable(response)
      return
    }
    void check.check(request.rawHeaders, admission.principal).then((refusal) =>
      // In a tick of its own, so that what a handler throws is an uncaught exception, as it would be without waiting.
      process.nextTick(() => conclude(refusal, { admission, request, response, next })),
    )
  }
}

interface Waiting {
  readonly admission: Admission
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly next: () => void
}

function conclude(refusal: TokenRefusal | undefined, { admission, request, response, next }: Waiting): void {
  // The handler must not run for a caller that has disconnected.
  if (isAbandoned(response)) return
  const { guard, principal } = admission
  const view = viewRequest(request, readTarget(request).url)
  const verdict = guard.admitToken(view, principal, refusal)
  if (isDenial(verdict)) sendDenial(guard, verdict, view, response)
  else next()
}

const foreign =
  'requireBoundToken: called by another framework, expected Express; for Fastify import it from @countersign/fastify'
