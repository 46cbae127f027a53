import { setTimeout } from 'node:timers/promises'
import { createFetch } from '@countersign/client'
import { type Authority, createAuthority } from '@countersign/testkit'

const production = 'spiffe://saas.example/ns/production/sa'
const billing = '/internal/billing/invoices'
const reports = '/internal/analytics/reports'
const health = '/internal/health'

/** The SPIFFE ID of the service. */
export const serviceId = `${production}/billing-service`

/** The paths that each caller may read with the documents as they are in the repository. */
const allowed: ReadonlyMap<string, readonly string[]> = new Map([
  [`${production}/core-api`, [billing, reports, health]],
  [`${production}/analytics-service`, [reports, health]],
  ['spiffe://saas.example/ns/staging/sa/core-api', [health]],
])

/** Returns whether the documents allow a request, by the state of the documents. */
export function isAllowed(caller: string, path: string, { areReportsClosed }: DocumentState): boolean {
  if (areReportsClosed && path === reports) return false
  return allowed.get(caller)?.includes(path) ?? false
}

/** What differs between the revisions of this example. */
export interface DocumentState {
  /** True while the platform team has closed the reports for everyone. */
  readonly areReportsClosed: boolean
}

/** Creates the authority that issues every certificate of the example. */
export function createOwnAuthority(): Promise<Authority> {
  return createAuthority('saas.example', { ttlSeconds: 3600 })
}

/** What the callers of a service received. */
export interface Received {
  readonly answers: number
  /** Calls without an answer, and answers other than 200 and 403. */
  readonly failures: readonly string[]
}

/** Calls every path as every caller, continuously, until the signal aborts. */
export async function callContinuously(authority: Authority, url: string, isOver: AbortSignal): Promise<Received> {
  const failures: string[] = []
  let answers = 0
  const callAs = async (caller: string): Promise<void> => {
    const source = await authority.source(caller)
    await using fetch = createFetch(source, { servers: [serviceId] })
    while (!isOver.aborted) {
      for (const path of [billing, reports, health]) {
        try {
          const response = await fetch(`${url}${path}`)
          await response.text()
          answers += 1
          if (response.status !== 200 && response.status !== 403) failures.push(`${caller} ${path}: ${response.status}`)
        } catch (error) {
          failures.push(`${caller} ${path}: ${String(error)}`)
        }
      }
      await setTimeout(5)
    }
  }
  await Promise.all([...allowed.keys()].map(callAs))
  return { answers, failures }
}
