import { text } from 'node:stream/consumers'
import { connectTls, createFetch, type Fetch } from '@countersign/client'
import { CallError, type X509Source } from '@countersign/core'
import { idOf, type Workloads } from './workloads.ts'

/** An attempt that must fail or have no effect. */
export interface Attempt {
  readonly what: string
  readonly expected: string
  readonly found: string
}

/** The ports of the services. */
export interface Ports {
  readonly billing: number
  readonly ledger: number
}

/** Tries to bypass the order of the chain, as compromised services might. */
export async function* attempt({ sources }: Workloads, ports: Ports): AsyncGenerator<Attempt> {
  const { storefront, 'core-api': coreApi } = sources
  await using asCoreApi = createFetch(coreApi, { servers: [idOf('billing')] })
  await using asStorefront = createFetch(storefront, { servers: [idOf('billing')] })
  const invoiceUrl = `https://127.0.0.1:${ports.billing}/invoices/mara`

  const answer = await askLedger(coreApi, ports.ledger)
  yield { what: 'core-api calls the ledger', expected: nothing, found: answer }

  const code = await statusOf(asCoreApi(`https://127.0.0.1:${ports.ledger}/invoices/mara`)).catch(codeOf)
  yield { what: 'core-api calls billing, but reaches the ledger', expected: 'server_unexpected', found: code }

  const headers = { 'x-forwarded-client-cert': `URI=${idOf('month-end')}` }
  const invoice: unknown = await (await asCoreApi(invoiceUrl, { headers })).json()
  const claim = 'core-api calls billing and claims in a header to be month-end'
  yield { what: `${claim}: billing sees`, expected: idOf('core-api'), found: readName(invoice) }

  const monthEndUrl = `https://127.0.0.1:${ports.billing}/month-end`
  const monthEnd = await statusOf(asCoreApi(monthEndUrl, { method: 'POST', headers }))
  yield { what: `${claim}, on a path for month-end only`, expected: '403', found: monthEnd }

  const skipped = await statusOf(asStorefront(invoiceUrl))
  yield { what: 'the storefront calls billing directly', expected: '403', found: skipped }
}

const nothing = 'closed without a response'

function readName(invoice: unknown): string {
  const isNamed = typeof invoice === 'object' && invoice !== null && 'seenByBilling' in invoice
  return isNamed ? String(invoice.seenByBilling) : 'nobody'
}

async function statusOf(response: ReturnType<Fetch>): Promise<string> {
  const { status, body } = await response
  await body?.cancel()
  return String(status)
}

async function askLedger(source: X509Source, port: number): Promise<string> {
  try {
    const socket = await connectTls(source, { servers: [idOf('ledger')], host: '127.0.0.1', port })
    socket.write('mara\n')
    return (await text(socket)) || nothing
  } catch (error) {
    // The error depends on whether the connection closes before the line is sent.
    return ['ECONNRESET', 'EPIPE'].includes(codeOf(error)) ? nothing : codeOf(error)
  }
}

function codeOf(error: unknown): string {
  if (error instanceof CallError) return error.code
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}
