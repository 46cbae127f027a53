import { once } from 'node:events'
import { createServer as createHttpsServer } from 'node:https'
import { callers, type Guard } from '@countersign/core'
import { allow, countersign, createServer } from '@countersign/express'
import express from 'express'
import type { CpuMeter } from './cpu-meter.ts'
import { isListed } from './handwritten-check.ts'
import type { Check } from './subject.ts'
import { callerId, path } from './workload.ts'

/** Starts an Express server with one route; gives its port. TLS is the same whatever the check. */
export async function startExpress(guard: Guard, check: Check, meter: CpuMeter): Promise<number> {
  const app = express()
  if (check === 'countersign') app.use(countersign(guard))
  if (check === 'handwritten') {
    app.use((request, response, next) => {
      if (isListed(request.socket, request.path)) next()
      else response.status(403).json({ title: 'Forbidden' })
    })
  }
  app.get(path, ...(check === 'countersign' ? [allow(callers(callerId))] : []), (_request, response) => {
    meter.count()
    response.json({ invoices: [] })
  })
  const server = check === 'countersign' ? createServer(guard, app) : createHttpsServer(guard.tlsOptions(), app)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('found a server without a port')
  return address.port
}
