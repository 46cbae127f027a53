import { setTimeout as sleep } from 'node:timers/promises'

/** Waits until a condition is met. Fails after 30 seconds, so that a failed test leaves nothing running. */
export async function waitUntil(isMet: () => boolean): Promise<void> {
  const deadline = performance.now() + 30_000
  while (!isMet()) {
    if (performance.now() > deadline) throw new Error(`expected within 30 seconds: ${String(isMet)}`)
    await sleep(5)
  }
}
