import {
  authenticated,
  type CountersignEvent,
  createGuard,
  type Guard,
  hasAnyAuthority,
  hasAuthority,
  type Rule,
  type X509Source,
} from '@countersign/core'
import { startExpress } from './express-service.ts'
import { startFastify } from './fastify-service.ts'

/** Who may call what. The first rule that matches decides; a path that none of them matches is denied. */
const rules: readonly Rule[] = [
  { path: '/internal/billing/**', allow: hasAuthority('SERVICE_core-api') },
  { path: '/internal/analytics/**', allow: hasAnyAuthority('SERVICE_core-api', 'SERVICE_analytics-service') },
  { path: '/internal/**', allow: authenticated() },
]

/** The frameworks on which the same service runs side by side. */
export type Framework = 'Fastify' | 'Express'

/** A service that listens on a free port of 127.0.0.1. */
export interface Service {
  readonly framework: Framework
  readonly port: number
  /** What the operator was told so far, oldest first. */
  readonly events: readonly CountersignEvent[]
  close(): Promise<void>
}

/**
 * Starts the service once on Fastify and once on Express, with the same rules.
 *
 * @throws {ConfigurationError} when source, trust domains and rules do not fit together
 */
export async function startServices({ source, trustDomains, log }: ServiceOptions): Promise<readonly Service[]> {
  const start = async (framework: Framework, listen: (guard: Guard) => Promise<Listening>): Promise<Service> => {
    const events: CountersignEvent[] = []
    const guard = createGuard({
      source,
      rules,
      trustDomains,
      log: (event) => {
        events.push(event)
        log?.(framework, event)
      },
    })
    return { framework, events, ...(await listen(guard)) }
  }
  return [await start('Fastify', startFastify), await start('Express', startExpress)]
}

/** What both services have in common. */
export interface ServiceOptions {
  readonly source: X509Source
  /** Whose workloads are authenticated at all. */
  readonly trustDomains: readonly string[]
  /** Called with each event besides keeping it; default: it is only kept. */
  readonly log?: (framework: Framework, event: CountersignEvent) => void
}

/** What a framework's own file gives back. */
export type Listening = Pick<Service, 'port' | 'close'>
