import { once } from 'node:events'
import { createFetch } from '@countersign/client'
import { CallError, createGuard, hasAuthority, type X509Source } from '@countersign/core'
import { countersign, createServer } from '@countersign/express'
import express, { type Response } from 'express'
import { listen, type Listening, type Log } from './listening.ts'
import { idOf } from './workloads.ts'

/** The customer-facing service: the storefront calls it, and it calls billing under its own identity. */
export async function startCoreApi(source: X509Source, billingPort: number, log: Log): Promise<Listening> {
  const guard = createGuard({
    source,
    log,
    rules: [{ path: '/customers/*', methods: ['GET'], allow: hasAuthority('SERVICE_storefront') }],
  })
  const fetch = createFetch(source, { servers: [idOf('billing')] })
  const app = express()
  app.use(countersign(guard))
  app.get('/customers/:customer', async ({ params, principal }, response) => {
    // Billing may log the original caller, but must not trust this header, because any caller can send it.
    const headers = { 'x-forwarded-client-cert': `URI=${principal?.name}` }
    try {
      const url = `https://127.0.0.1:${billingPort}/invoices/${encodeURIComponent(params.customer)}`
      const invoice = await fetch(url, { headers })
      if (!invoice.ok) return answerBadGateway(response, `billing answered ${invoice.status}`)
      response.json({ ...Object(await invoice.json()), seenByCoreApi: principal?.name })
    } catch (error) {
      if (!(error instanceof CallError)) throw error
      answerBadGateway(response, error.code)
    }
  })

  const server = createServer(guard, app)
  return {
    port: await listen(server),
    [Symbol.asyncDispose]: async () => {
      server.close()
      await Promise.all([once(server, 'close'), fetch.close()])
    },
  }
}

function answerBadGateway(response: Response, reason: string): void {
  response.status(502).json({ reason })
}
