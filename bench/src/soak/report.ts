import type { Framework } from '../subject.ts'
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
    failures + handshakeFailures === 0 && requests > 0 && rotationsSeen === rotations && growthOf(report) < mostGrowth
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
  const growth = growthOf(report)
  const [first = 0, last = 0] = [memory[0], memory.at(-1)]
  return [
    `${framework}, by ${how}, ${seconds} s`,
    `requests on kept connections   ${requests} (${Math.round(requests / seconds)} a second), ${failures} failed`,
    `rotations of the certificate   ${rotations}, ${rotationsSeen} of them seen by a new connection`,
    `new connections                ${handshakes}, ${handshakeFailures} failed`,
    `memory of the service          ${toMiB(first)} at first, ${toMiB(last)} at last; ${(growth * 100).toFixed(1)} % from the first third to the last`,
    isFlawless(report)
      ? 'nothing failed and the memory stayed flat'
      : 'found what is above, expected no failure, every rotation seen and flat memory',
  ].join('\n')
}

/** Of the memory, which the measurement itself moves by a few per cent. */
const mostGrowth = 0.1

function growthOf({ memory }: SoakReport): number {
  const third = Math.max(1, Math.floor(memory.length / 3))
  const before = medianOf(memory.slice(0, third))
  return before === 0 ? 0 : medianOf(memory.slice(-third)) / before - 1
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

function toMiB(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`
}
