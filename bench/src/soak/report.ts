import type { Framework } from '../subject.ts'
import { describeMemory, growthOf, mostGrowth } from './memory-growth.ts'
import type { Rotation } from './rotation.ts'

/** The results of a soak. */
export interface SoakReport {
  readonly framework: Framework
  readonly how: Rotation['how']
  readonly seconds: number
  /** Requests with the expected response. */
  readonly requests: number
  readonly failures: number
  /** New certificates. */
  readonly rotations: number
  /** The number of these that were presented on a new connection. */
  readonly rotationsSeen: number
  readonly handshakes: number
  readonly handshakeFailures: number
  /** The service's bytes after a garbage collection, over time. */
  readonly memory: readonly number[]
}

/** Returns whether nothing failed, every rotation was served, and the memory stayed flat. */
export function isFlawless(report: SoakReport): boolean {
  const { failures, handshakeFailures, requests, rotations, rotationsSeen } = report
  return (
    failures + handshakeFailures === 0 &&
    requests > 0 &&
    rotationsSeen === rotations &&
    growthOf(report.memory) < mostGrowth
  )
}

/** Formats a report for people. */
export function formatReport(report: SoakReport): string {
  const {
    framework,
    how,
    seconds,
    requests,
    failures,
    rotations,
    rotationsSeen,
    handshakes,
    handshakeFailures,
    memory,
  } = report
  return [
    `${framework}, by ${how}, ${seconds} s`,
    `requests on kept connections   ${requests} (${Math.round(requests / seconds)} per second), ${failures} failed`,
    `rotations of the certificate   ${rotations}, ${rotationsSeen} of them seen by a new connection`,
    `new connections                ${handshakes}, ${handshakeFailures} failed`,
    `memory of the service          ${describeMemory(memory)}`,
    isFlawless(report)
      ? 'nothing failed and the memory stayed flat'
      : 'FAILED: see above; expected no failures, every rotation seen and flat memory',
  ].join('\n')
}
