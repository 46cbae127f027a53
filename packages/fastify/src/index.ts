import type { Principal, Requirement } from '@countersign/core'

export { countersign, countersign as default, type CountersignPluginOptions } from './plugin.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who is calling, by proof; null only before the guard has run. */
    principal: Principal | null
  }
  interface FastifyContextConfig {
    /** Who may call this route, besides what the rules demand: a requirement or a list of caller patterns. */
    allow?: Requirement | readonly string[]
  }
}
