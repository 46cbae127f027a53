import { createGuard, hasAuthority, type X509Source } from '@countersign/core'
import countersign from '@countersign/fastify'
import Fastify from 'fastify'
import { LedgerClient } from './ledger-client.ts'
import type { Listening, Log } from './listening.ts'

/** Bills customers: core-api calls it, and it calls the ledger under its own identity. */
export async function startBilling(source: X509Source, ledgerPort: number, log: Log): Promise<Listening> {
  const guard = createGuard({
    source,
    log,
    rules: [
      { path: '/invoices/*', methods: ['GET'], allow: hasAuthority('SERVICE_core-api') },
      { path: '/month-end', methods: ['POST'], allow: hasAuthority('SERVICE_month-end') },
    ],
  })
  const ledger = new LedgerClient(source, ledgerPort)
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })

  app.get<{ Params: { customer: string } }>('/invoices/:customer', async ({ params, principal }, reply) => {
    const answer = await ledger.ask(params.customer)
    return reply.type('application/json').send({ ...JSON.parse(answer), seenByBilling: principal?.name })
  })
  app.post('/month-end', () => ({ closed: true }))

  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  return {
    port: Number(new URL(url).port),
    [Symbol.asyncDispose]: async () => {
      await app.close()
      ledger.close()
    },
  }
}
