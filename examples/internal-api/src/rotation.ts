import { setTimeout } from 'node:timers/promises'
import type { X509Source } from '@countersign/core'
import { Client, type Credentials } from './client.ts'
import { type Framework, type Service, startServices } from './services.ts'

/** A way to replace the certificate of a service. */
export interface Rotating {
  /** For people, such as `from files`. */
  readonly how: string
  readonly source: X509Source
  /** What a caller currently presents and trusts; the same object until it changes. */
  readonly credentials: () => Credentials
  /**
   * Replaces the certificate a few times. `shown` resolves when both services were called on a connection that is newer
   * than the last change.
   */
  readonly change: (shown: () => Promise<void>) => Promise<void>
}

/** The results of one service while its certificate was replaced under continuous calls. */
export interface RotationResult {
  readonly how: string
  readonly framework: Framework
  readonly calls: number
  readonly failures: number
  /** The serial numbers of the certificates that the service presented on new connections, in order. */
  readonly serialNumbers: readonly string[]
  /** How often the certificate was replaced. */
  readonly rotations: number
}

/** Returns whether no call failed and every certificate was served. */
export function isSmooth({ calls, failures, serialNumbers, rotations }: RotationResult): boolean {
  return calls > 0 && failures === 0 && serialNumbers.length === rotations + 1
}

/** Called each time that the certificate of both services was replaced. */
export type OnRotation = (how: string, count: number) => void

/** Starts both services, replaces their certificate while callers make continuous calls, and counts. */
export async function rotateUnderCalls(rotating: Rotating, onRotation: OnRotation): Promise<readonly RotationResult[]> {
  const { how, source, change } = rotating
  const services = await startServices({ source, trustDomains: [source.current.svid.spiffeId.trustDomain] })
  const isOver = new AbortController()
  let rotations = 0
  const stop = source.onUpdate(() => {
    rotations += 1
    onRotation(how, rotations)
  })
  const rounds = services.map(() => 0)
  const calling = services.map((service, index) =>
    callContinuously(service, rotating, isOver.signal, () => (rounds[index] = (rounds[index] ?? 0) + 1)),
  )
  // A running round may already have opened its new connection; the round after it has not.
  const shown = async (): Promise<void> => {
    const before = [...rounds]
    while (!rounds.every((count, index) => count >= (before[index] ?? 0) + 2)) await setTimeout(10)
  }
  await shown()
  await change(shown)
  await shown()
  stop()
  isOver.abort()
  const counts = await Promise.all(calling)
  await Promise.all(services.map((service) => service.close()))
  return counts.map((count) => ({ how, rotations, ...count }))
}

/** Waits until the source was updated this many times. */
export async function awaitUpdates(source: X509Source, count: number): Promise<void> {
  let left = count
  await new Promise<void>((resolve) => {
    const stop = source.onUpdate(() => {
      left -= 1
      if (left > 0) return
      stop()
      resolve()
    })
  })
}

async function callContinuously(
  { framework, port }: Service,
  { credentials }: Rotating,
  isOver: AbortSignal,
  onRound: () => void,
): Promise<Omit<RotationResult, 'how' | 'rotations'>> {
  let shown = credentials()
  let kept = new Client({ port, credentials: shown })
  const serialNumbers = new Set<string>()
  let calls = 0
  let failures = 0
  const call = async (client: Client): Promise<void> => {
    calls += 1
    const answer = await client.read('/internal/health').catch(() => undefined)
    if (answer?.status !== 200) failures += 1
    else serialNumbers.add(answer.serialNumber)
  }
  while (!isOver.aborted) {
    if (credentials() !== shown) {
      // The caller's own certificate was replaced too, and its old connection closes with the old certificate.
      kept.close()
      shown = credentials()
      kept = new Client({ port, credentials: shown })
    }
    // On the connection that survives every rotation of the service, and on a new one.
    for (let count = 0; count < 10; count += 1) await call(kept)
    const fresh = new Client({ port, credentials: shown })
    await call(fresh)
    fresh.close()
    onRound()
    await setTimeout(40)
  }
  kept.close()
  return { framework, calls, failures, serialNumbers: [...serialNumbers] }
}
