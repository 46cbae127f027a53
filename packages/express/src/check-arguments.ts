import { ConfigurationError } from '@countersign/core'
import { type AdapterGuard, describeValue, isCallable, isGuard, isRecord } from '@countersign/core/adapter'
import { isExpress4 } from './express-internals.ts'

/**
 * Checks that a value is a guard.
 *
 * @param usage how to call the function, for the message
 * @throws {ConfigurationError} `option_invalid`
 */
export function checkGuard(value: unknown, where: string, usage: string): asserts value is AdapterGuard {
  if (isGuard(value)) return
  if (isInstanceOfFastify(value)) {
    refuse(where, 'found a Fastify instance', 'Express; for Fastify import countersign from @countersign/fastify')
  }
  if (isRecord(value) && isGuard(value['guard'])) refuse(where, 'found { guard }', `the guard itself: ${usage}`)
  // Express passes a request to the middleware if it was mounted as `app.use(countersign)`.
  if (isRequest(value)) refuse(where, 'found a request because it was mounted without being called', usage)
  refuse(where, `found ${describeValue(value)}`, `a guard made by createGuard(): ${usage}`)
}

/**
 * Checks that a value is an application or another request listener.
 *
 * @throws {ConfigurationError} `option_invalid`; `registration_invalid` for an Express 4 application
 */
export function checkApp(app: unknown, where: string, usage: string): void {
  if (!isCallable(app)) {
    const found = isGuard(app) ? 'found a second guard' : `found ${describeValue(app)}`
    refuse(where, found, `an Express application: ${usage}`)
  }
  if ('application' in app && 'Router' in app) refuse(where, 'found express, which was not called', 'express()')
  if (isExpress4(app)) throw createExpress4Error(where)
}

/** Creates the error for an Express 4 application. */
export function createExpress4Error(where: string): ConfigurationError {
  const message = `${where}: found an Express 4 application, expected Express 5, because the routers of Express 4 read paths differently from the rules`
  return new ConfigurationError('registration_invalid', message)
}

function isInstanceOfFastify(value: unknown): boolean {
  return isRecord(value) && isCallable(value['register']) && isCallable(value['addHook'])
}

function isRequest(value: unknown): boolean {
  return isRecord(value) && typeof value['url'] === 'string' && 'headers' in value
}

function refuse(where: string, finding: string, expected: string): never {
  throw new ConfigurationError('option_invalid', `${where}: ${finding}; expected ${expected}`)
}
