import type { Framework } from '../../subject.ts'
import { describeMemory, growthOf, mostGrowth } from '../memory-growth.ts'

/** The results of a soak of both ends. */
export interface BothReport extends CallerFindings, ServiceFindings {
  readonly framework: Framework
  readonly seconds: number
  /** New certificates of each end. */
  readonly rotations: number
}

/** The results of the caller. */
export interface CallerFindings {
  /** Requests with the expected response. */
  readonly requests: number
  /** The number of these that were sent with an expired certificate. */
  readonly expired: number
  /** The errors, and how often each occurred. */
  readonly failures: readonly (readonly [message: string, count: number])[]
  /** The service's certificates that were presented to the caller. */
  readonly serviceCertificates: number
  /** Bytes after a garbage collection, over time. */
  readonly callerMemory: readonly number[]
}

/** The results of the service. */
export interface ServiceFindings {
  /** The caller's certificates that were presented to the service. */
  readonly callerCertificates: number
  /** Bytes after a garbage collection, over time. */
  readonly serviceMemory: readonly number[]
}

/** Returns whether nothing failed, every rotation of both ends was observed, and the memory of both stayed constant. */
export function isFlawlessBoth(report: BothReport): boolean {
  const {
    failures,
    requests,
    expired,
    rotations,
    callerCertificates,
    serviceCertificates,
    callerMemory,
    serviceMemory,
  } = report
  const areSeen = callerCertificates > rotations && serviceCertificates > rotations
  const isFlat = growthOf(callerMemory) < mostGrowth && growthOf(serviceMemory) < mostGrowth
  return failures.length === 0 && expired === 0 && requests > 0 && areSeen && isFlat
}

/** Formats a report for people. */
export function formatBothReport(report: BothReport): string {
  const { framework, seconds, requests, failures, expired, rotations } = report
  const failed = failures.reduce((sum, [, count]) => sum + count, 0)
  return [
    `${framework} and its caller, ${seconds} s`,
    `requests by fetch and by agent   ${requests} (${Math.round(requests / seconds)} per second), ${failed} failed, ${expired} with an expired certificate`,
    ...failures.map(([message, count]) => `  ${count} times: ${message}`),
    `rotations of each end            ${rotations}; seen: ${report.callerCertificates - 1} of the caller, ${report.serviceCertificates - 1} of the service`,
    `memory of the caller             ${describeMemory(report.callerMemory)}`,
    `memory of the service            ${describeMemory(report.serviceMemory)}`,
    isFlawlessBoth(report)
      ? 'nothing failed and the memory stayed flat'
      : 'FAILED: see above; expected no failures, every rotation seen and flat memory',
  ].join('\n')
}
