import type { Framework } from '../subject.ts'
import { describeMemory, growthOf, mostGrowth } from './memory-growth.ts'
import type { Rotation } from './rotation.ts'

/** What a soak found. */
export interface SoakReport {
  readonly framework: Framework
  readonly how: Rotation['how']
  readonly seconds: number
  /** Answered as they should be. */
  readonly requests: number
  readonly failures: number
  /** New certificates. */
  readonly rotations: number
  /** Of these, how many a new connection saw. */
  readonly rotationsSeen: number
  readonly handshakes: number
  readonly handshakeFailures: number
  /** Bytes of the service after a garbage collection, over time. */
  readonly memory: readonly number[]
}

/** Whether nothing failed, every rotation was served, and the memory stayed flat. */
export function isFlawless(report: SoakReport): boolean {
  const { failures, handshakeFailures, requests, rotations, rotationsSeen } = report
  return (
    failures + handshakeFailures === 0 &&
    requests > 0 &&
    rotationsSeen === rotations &&
    growthOf(report.memory) < mostGrowth
  )
}

/** A report as lines for people. */
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
    `requests on kept connections   ${requests} (${Math.round(requests / seconds)} a second), ${failures} failed`,
    `rotations of the certificate   ${rotations}, ${rotationsSeen} of them seen by a new connection`,
    `new connections                ${handshakes}, ${handshakeFailures} failed`,
    `memory of the service          ${describeMemory(memory)}`,
    isFlawless(report)
      ? 'nothing failed and the memory stayed flat'
      : 'found what is above, expected no failure, every rotation seen and flat memory',
  ].join('\n')
}
