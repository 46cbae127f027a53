import type { Guard } from '@countersign/core'
import countersign from '@countersign/fastify'
import Fastify from 'fastify'
import type { Listening } from './services.ts'

/** The service on Fastify. */
export async function startFastify(guard: Guard): Promise<Listening> {
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })

  app.get('/internal/billing/invoices', (request) => ({ invoices: [], caller: request.principal?.name }))
  app.get('/internal/analytics/reports', (request) => ({ reports: [], caller: request.principal?.name }))
  app.get('/internal/health', (request) => ({ healthy: true, caller: request.principal?.name }))

  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  return {
    port: Number(new URL(url).port),
    close: async () => {
      await app.close()
    },
  }
}
