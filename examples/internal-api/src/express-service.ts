import { once } from 'node:events'
import type { Guard } from '@countersign/core'
import { countersign, createServer } from '@countersign/express'
import express from 'express'
import type { Listening } from './services.ts'

/** The service on Express. */
export async function startExpress(guard: Guard): Promise<Listening> {
  const app = express()
  app.use(countersign(guard))

  app.get('/internal/billing/invoices', (request, response) => {
    response.json({ invoices: [], caller: request.principal?.name })
  })
  app.get('/internal/analytics/reports', (request, response) => {
    response.json({ reports: [], caller: request.principal?.name })
  })
  app.get('/internal/health', (request, response) => {
    response.json({ healthy: true, caller: request.principal?.name })
  })

  const server = createServer(guard, app)
  // Node closes idle connections after 5 seconds, which would look like an expired certificate. This is Fastify's
  // value.
  server.keepAliveTimeout = 72_000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error(`found the address ${address}, expected a port`)
  return {
    port: address.port,
    close: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
