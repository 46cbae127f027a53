import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { type CallerSocket, createTlsServer } from '@countersign/client'
import type { X509Source } from '@countersign/core'
import { listen, type Listening, type Log } from './listening.ts'
import { idOf } from './workloads.ts'

/** Stores the balances. It does not use HTTP: a line with a customer is answered with a line of JSON. */
export async function startLedger(source: X509Source, log: Log): Promise<Listening> {
  const server = createTlsServer(source, { callers: [idOf('billing')], log }, answerLines)
  return {
    port: await listen(server),
    [Symbol.asyncDispose]: async () => {
      server.close()
      await once(server, 'close')
    },
  }
}

function answerLines(socket: CallerSocket): void {
  const lines = createInterface({ input: socket })
  lines.on('line', (customer) => {
    const answer = { balance: customer.length * 100, seenByLedger: socket.principal.name }
    socket.write(`${JSON.stringify(answer)}\n`)
  })
  // It repeats the socket's errors, which would otherwise crash the process.
  lines.on('error', () => undefined)
}
