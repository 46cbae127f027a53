/** A server to be called. Answers with its port. Closes the connection after a request for `/close`. */
import { once } from 'node:events'
import { createServer } from 'node:https'
import { createGuard, permitAll, staticSource } from '@countersign/core'
import { answerMessages, hasNames } from '../measure/child-process.ts'
import type { CalledTask } from './outgoing-task.ts'

answerMessages(hasNames<CalledTask>('material'), async ({ material }) => {
  const guard = createGuard({ source: staticSource(material), rules: [{ path: '/**', allow: permitAll() }] })
  const server = createServer(guard.tlsOptions(), (request, response) => {
    const more = request.url === '/close' ? { connection: 'close' } : {}
    response.writeHead(200, { 'content-type': 'application/json', ...more }).end('{"invoices":[]}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('found a server without a port')
  return { answer: address.port, next: () => 0 }
})
