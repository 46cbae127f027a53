import type { FastifyInstance } from 'fastify'
import { findServerBindings } from './fastify-internals.ts'

/**
 * Attaches the servers that an instance opens besides its own, because `localhost` can be two addresses. Each is
 * attached when it starts to listen, before it accepts a connection. One that cannot be attached is closed.
 */
export function followFurtherServers(app: FastifyInstance, attach: (server: unknown) => void): void {
  const attached = new Set<unknown>()
  const take = (server: unknown): void => {
    if (attached.has(server)) return
    attach(server)
    attached.add(server)
  }
  const bindings = findServerBindings(app)
  if (bindings !== undefined) {
    const push = (...servers: readonly unknown[]): number => {
      for (const server of servers) {
        try {
          take(server)
        } catch {
          // The hook below tries again, and Fastify logs its exception.
          close(server)
        }
      }
      return Array.prototype.push.apply(bindings, [...servers])
    }
    Reflect.defineProperty(bindings, 'push', { value: push, configurable: true, writable: true })
  }
  app.addHook('onListen', (done) => {
    for (const server of findServerBindings(app) ?? []) take(server)
    done()
  })
}

function close(server: unknown): void {
  if (typeof server === 'object' && server !== null && 'close' in server && typeof server.close === 'function') {
    Reflect.apply(server.close, server, [])
  }
}
