import type { IncomingMessage, ServerResponse } from 'node:http'
import { ConfigurationError, type Guard } from '@countersign/core'
import {
  type AdapterGuard,
  type GuardedRequest,
  isDenial,
  sharesRecords,
  type Verdict,
} from '@countersign/core/adapter'
import { Admission, keepAdmission } from './admission.ts'
import { checkGuard, createExpress4Error } from './check-arguments.ts'
import { isExpress4 } from './express-internals.ts'
import { MiddlewareMark } from './middleware-mark.ts'
import { mayFold, readRouting, recognizerFor } from './read-routing.ts'
import { readTarget, readUrl, viewRequest } from './read-target.ts'
import { sendDenial } from './send-denial.ts'

/** An Express middleware that does not depend on `req.params` and its types. */
export type Middleware = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void

/**
 * Creates the middleware that authenticates and decides every request. Mount it first, because anything mounted before
 * it is not guarded.
 *
 * @throws {ConfigurationError} `option_invalid` if the value is not a guard, or if the guard has no rules: Express does
 * not expose its routes, so they cannot decide by themselves
 * @example app.use(countersign(guard))
 */
export function countersign(guard: Guard): Middleware {
  checkGuard(guard, 'countersign', 'app.use(countersign(guard))')
  if (!guard.hasOwnRules) {
    throw new ConfigurationError(
      'option_invalid',
      'countersign: found a guard without rules, expected createGuard({ rules })',
    )
  }
  const isFolding = mayFold(guard)
  guard.recognize(recognizerFor(guard))
  const keepsRecords = sharesRecords(guard)
  let checkedPrototype: object | null = null
  const conclude = (verdict: Verdict, read: GuardedRequest, { request, response, next, url }: Waiting): void => {
    if (verdict !== null && isDenial(verdict)) sendDenial(guard, verdict, read, response)
    else {
      keepAdmission(request, new Admission(request, url, guard, verdict), keepsRecords)
      next()
    }
  }
  const middleware: Middleware = (
    request: IncomingMessage & { readonly app?: { readonly request?: object } },
    response,
    next,
  ) => {
    // All requests of an application have one prototype. Reading `request.app` each time would cost more, because V8
    // creates a separate hidden class for every request of Express. For the same reason, little else is read here.
    const prototype = Reflect.getPrototypeOf(request)
    if (prototype !== checkedPrototype) {
      // Only `createServer` receives the application before it handles requests.
      if (isExpress4(request.app)) {
        next(createExpress4Error('countersign'))
        return
      }
      checkedPrototype = prototype
    }
    const url = readUrl(request)
    const read = viewRequest(request, url)
    // The server has already decided, unless the target was rewritten or the application runs without an attached
    // server.
    const verdict =
      guard.readmit(request, read) ??
      guard.admit(read, { ...readRouting(request, url, isFolding), originalUrl: readTarget(request).originalUrl })
    if (verdict instanceof Promise) {
      // In a tick of its own, so that what a handler throws is an uncaught exception, as it would be without waiting.
      void verdict.then((settled) => process.nextTick(() => conclude(settled, read, { request, response, next, url })))
    } else if (verdict !== null && isDenial(verdict)) sendDenial(guard, verdict, read, response)
    else {
      keepAdmission(request, new Admission(request, url, guard, verdict), keepsRecords)
      next()
    }
  }
  guarding.set(middleware, guard)
  return middleware
}

interface Waiting {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly next: () => void
  readonly url: string
}

/** Returns the guard of a middleware created by `countersign`, or undefined. */
export function findGuard(middleware: object): AdapterGuard | undefined {
  return guarding.get(middleware)
}

const guarding = new MiddlewareMark<AdapterGuard>('countersign.guard')
