import type { FastifyInstance } from 'fastify'

/**
 * Attaches the servers that an instance opens besides its own: `localhost` is two addresses. Each is attached in the moment
 * in which it listens, before it accepts a connection; one that cannot be attached is closed.
 */
export function followFurtherServers(app: FastifyInstance, attach: (server: unknown) => void): void {
  const attached = new Set<unknown>()
  const take = (server: unknown): void => {
    if (attached.has(server)) return
    attach(server)
    attached.add(server)
  }
  const bindings = findBindings(app)
  if (bindings !== undefined) {
    const push = (...servers: readonly unknown[]): number => {
      for (const server of servers) {
        try {
          take(server)
        } catch {
          // The hook below tries again, and its exception is logged.
          close(server)
        }
      }
      return Array.prototype.push.apply(bindings, [...servers])
    }
    Reflect.defineProperty(bindings, 'push', { value: push, configurable: true, writable: true })
  }
  app.addHook('onListen', (done) => {
    for (const server of findBindings(app) ?? []) take(server)
    done()
  })
}

function findBindings(app: FastifyInstance): unknown[] | undefined {
  const symbol = Object.getOwnPropertySymbols(app).find(({ description }) => description === 'fastify.serverBindings')
  const servers: unknown = symbol === undefined ? undefined : Reflect.get(app, symbol)
  return Array.isArray(servers) ? servers : undefined
}

function close(server: unknown): void {
  if (typeof server === 'object' && server !== null && 'close' in server && typeof server.close === 'function') {
    Reflect.apply(server.close, server, [])
  }
}
