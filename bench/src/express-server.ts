import { once } from 'node:events'
import { createServer as createHttpsServer } from 'node:https'
import { callers, type Guard } from '@countersign/core'
import { allow, countersign, createServer } from '@countersign/express'
import express, { type RequestHandler } from 'express'
import { addPart } from './attribution/add-part.ts'
import { checkExpress } from './express-checks.ts'
import { type Check, isNarrowed, type Meter, type ServerVariant, usesAdapter } from './subject.ts'
import { callerId, path } from './workload.ts'

/** Starts an Express server with one route and returns its port. The TLS options are the same for every check. */
export async function startExpress(
  guard: Guard,
  check: Check,
  meter: Meter,
  { refusal }: ServerVariant = {},
): Promise<number> {
  const app = express()
  if (usesAdapter(check)) app.use(countersign(guard))
  if (check === 'empty') app.use((_request, _response, next) => next())
  if (check === 'property') {
    app.use((request, _response, next) => {
      Reflect.set(request, '_countersign', callerId)
      next()
    })
  }
  const other = checkExpress(check)
  if (other !== undefined) app.use(other)
  const narrowed: readonly RequestHandler[] = isNarrowed(guard, check) ? [allow(callers(callerId))] : []
  app.get(path, ...narrowed, (_request, response) => {
    meter.count()
    if (refusal === undefined) response.json({ invoices: [] })
    else {
      response.writeHead(403, { 'content-type': 'application/problem+json', 'cache-control': 'no-store' })
      response.end(refusal)
    }
  })
  const server = usesAdapter(check) ? createServer(guard, app) : createHttpsServer(guard.tlsOptions(), app)
  addPart(check, server, guard)
  // The default of 5 seconds closes connections that wait for the turns of other servers.
  server.keepAliveTimeout = 600_000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('found a server without a port')
  return address.port
}
