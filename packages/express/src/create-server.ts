import type { RequestListener } from 'node:http'
import { createServer as createHttpsServer, type Server } from 'node:https'
import type { Guard } from '@countersign/core'
import type { AdapterGuard } from '@countersign/core/adapter'
import { checkApp, checkGuard } from './check-arguments.ts'
import { checkAllows, checkMounting } from './check-mounting.ts'
import { readAppRouting, readUnknown, recognizerFor } from './read-routing.ts'

/**
 * Creates the HTTPS server of an Express application and attaches the guard. Peers are verified before any HTTP, and
 * the rules decide each request before the application receives it.
 *
 * When it starts to listen, it emits an `error` event if any routes are registered before `countersign(guard)`. The
 * error lists all of them, and the server closes.
 *
 * @throws {ConfigurationError} `option_invalid` if the values are not a guard and an application; otherwise as
 * `guard.attach` does
 * @example createServer(guard, app).listen(8443)
 */
export function createServer(guard: Guard, app: RequestListener): Server {
  const usage = 'createServer(guard, app)'
  checkGuard(guard, 'createServer', usage)
  checkApp(app, 'createServer', usage)
  const server = createHttpsServer({ ...guard.tlsOptions() }, app)
  guard.attach(server, { routing: recognizerFor(guard)(app) ?? readUnknown })
  server.prependListener('listening', () => {
    const error = checkMounting(app, guard) ?? checkRules(guard, app) ?? checkAllows(app, guard)
    if (error === undefined) return
    // The callback of `listen` still reads the address. No connection is accepted before the next tick.
    process.nextTick(() => server.close())
    server.emit('error', error)
  })
  return server
}

// Rules that differ only in case are the same rule to a router that ignores case.
function checkRules(guard: AdapterGuard, app: object): unknown {
  try {
    const { semantics, otherSemantics } = readAppRouting(app)
    for (const each of [semantics, otherSemantics]) if (each !== undefined) guard.checkSemantics(each)
    return undefined
  } catch (error) {
    return error
  }
}
