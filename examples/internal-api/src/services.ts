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

/** Who may call what. The first rule that matches decides; a path that no rule matches is denied. */
export const rules: readonly Rule[] = [
  { path: '/internal/billing/**', allow: hasAuthority('SERVICE_core-api') },
  { path: '/internal/analytics/**', allow: hasAnyAuthority('SERVICE_core-api', 'SERVICE_analytics-service') },
  { path: '/internal/**', allow: authenticated() },
]

/** The frameworks on which the same service runs. */
export type Framework = 'Fastify' | 'Express'

/** A service that listens on a free port of 127.0.0.1. */
export interface Service {
  readonly framework: Framework
  readonly port: number
  /** The events so far, oldest first. */
  readonly events: readonly CountersignEvent[]
  close(): Promise<void>
}

/**
 * Starts the service once on Fastify and once on Express, with the same rules.
 *
 * @throws {ConfigurationError} if source, trust domains and rules do not match
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

/** The options that both services share. */
export interface ServiceOptions {
  readonly source: X509Source
  /** The trust domains whose workloads are authenticated. */
  readonly trustDomains: readonly string[]
  /** Called with each event, in addition to recording it. Default: events are only recorded. */
  readonly log?: (framework: Framework, event: CountersignEvent) => void
}

/** What each framework's file returns. */
export type Listening = Pick<Service, 'port' | 'close'>
