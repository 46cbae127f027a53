import { setTimeout as wait } from 'node:timers/promises'

/** Waits until something holds; the limit of the test is the limit of the wait. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await wait(2)
}
