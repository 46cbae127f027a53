import { setTimeout as wait } from 'node:timers/promises'

/** Waits until a condition holds; the time limit of the test also limits the wait. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await wait(2)
}
