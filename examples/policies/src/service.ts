import { createGuard, type GuardOptions } from '@countersign/core'
import countersign from '@countersign/fastify'
import { policyFiles } from '@countersign/policy'
import Fastify from 'fastify'

/** A service that listens on a free port of 127.0.0.1. */
export interface Service {
  readonly url: string
  close(): Promise<void>
}

/** Starts the service. Who may call it is in the documents of the folder, and nothing about it is in code. */
export async function startService(folder: string, options: Omit<GuardOptions, 'policies'>): Promise<Service> {
  const policies = await policyFiles(folder)
  const guard = createGuard({ ...options, policies })
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })

  app.get('/internal/billing/invoices', (request) => ({ invoices: [], caller: request.principal?.name }))
  app.get('/internal/analytics/reports', (request) => ({ reports: [], caller: request.principal?.name }))
  app.get('/internal/health', (request) => ({ healthy: true, caller: request.principal?.name }))

  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  return {
    url,
    close: async () => {
      await app.close()
      await policies.close()
    },
  }
}
