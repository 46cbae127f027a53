/**
 * A server in a separate process whose connections stay open. Answers the first message with its port, and then answers
 * requests for numbers.
 */
import { once } from 'node:events'
import { createServer } from 'node:https'
import { authenticated, createGuard, createMaterial, createReplaceableSource } from '@countersign/core'
import { forAdapter } from '@countersign/core/adapter'
import { answerMessages, hasNames } from '../measure/child-process.ts'
import { sharedNow } from '../measure/shared-now.ts'
import type { ConnectionServerTask, Memory } from './connection-task.ts'

answerMessages(
  hasNames<ConnectionServerTask>('isGuarded', 'material', 'updates'),
  async ({ isGuarded, material, updates }) => {
    const source = createReplaceableSource(createMaterial(material))
    const guard = createGuard({ source, log: () => undefined, rules: [{ path: '/**', allow: authenticated() }] })
    const server = createServer(guard.tlsOptions(), (request, response) => {
      if (isGuarded) void forAdapter(guard).admit(request)
      response.end('{}')
    })
    // Only the client closes a connection.
    Object.assign(server, { keepAliveTimeout: 0, headersTimeout: 0, requestTimeout: 0, timeout: 0 })
    if (isGuarded) guard.attach(server)
    server.listen({ host: '127.0.0.1', port: 0, backlog: 1024 })
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('found a server without a port')
    const waiting = updates.map((update) => createMaterial(update))
    return {
      answer: address.port,
      next: (message) => {
        if (message === 'memory') return readMemory()
        const update = waiting.shift()
        if (update === undefined) throw new Error('found no further update')
        const start = sharedNow()
        source.replace(update)
        return start
      },
    }
  },
)

async function readMemory(): Promise<Memory> {
  for (let time = 0; time < 4; time += 1) {
    globalThis.gc?.()
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  const { heapUsed, external, rss } = process.memoryUsage()
  return { heap: heapUsed + external, resident: rss }
}
