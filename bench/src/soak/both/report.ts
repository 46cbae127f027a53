import type { Framework } from '../../subject.ts'
import { describeMemory, growthOf, mostGrowth } from '../memory-growth.ts'

/** What a soak of both ends found. */
export interface BothReport extends CallerFindings, ServiceFindings {
  readonly framework: Framework
  readonly seconds: number
  /** New certificates, of each end. */
  readonly rotations: number
}

/** What the caller found. */
export interface CallerFindings {
  /** Answered as they should be. */
  readonly requests: number
  /** Of these, sent with a certificate that had expired. */
  readonly expired: number
  /** What went wrong, and how often. */
  readonly failures: readonly (readonly [message: string, count: number])[]
  /** Certificates of the service that the caller saw. */
  readonly serviceCertificates: number
  /** Bytes after a garbage collection, over time. */
  readonly callerMemory: readonly number[]
}

/** What the service found. */
export interface ServiceFindings {
  /** Certificates of the caller that the service saw. */
  readonly callerCertificates: number
  /** Bytes after a garbage collection, over time. */
  readonly serviceMemory: readonly number[]
}

/** Whether nothing failed, every rotation of both ends was seen, and the memory of both stayed flat. */
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

/** A report as lines for people. */
export function formatBothReport(report: BothReport): string {
  const { framework, seconds, requests, failures, expired, rotations } = report
  const failed = failures.reduce((sum, [, count]) => sum + count, 0)
  return [
    `${framework} and its caller, ${seconds} s`,
    `requests by fetch and by agent   ${requests} (${Math.round(requests / seconds)} a second), ${failed} failed, ${expired} with an expired certificate`,
    ...failures.map(([message, count]) => `  ${count} times: ${message}`),
    `rotations of each end            ${rotations}; of the caller ${report.callerCertificates - 1} seen, of the service ${report.serviceCertificates - 1} seen`,
    `memory of the caller             ${describeMemory(report.callerMemory)}`,
    `memory of the service            ${describeMemory(report.serviceMemory)}`,
    isFlawlessBoth(report)
      ? 'nothing failed and the memory stayed flat'
      : 'found what is above, expected no failure, every rotation seen and flat memory',
  ].join('\n')
}
