import { setTimeout as wait } from 'node:timers/promises'

/** Receives the result of a check. */
export type CheckReply = (isFine: boolean) => void

/**
 * Runs the application's own check and shares the result among all clients. Clients may probe at any rate, so the check
 * runs once at a time, at most ten times a second, and for at most five seconds each. A bounded number of clients wait
 * for it; the others get the last result.
 */
export class SharedCheck {
  readonly #check: () => unknown
  readonly #waiting = new Set<CheckReply>()
  #isRunning = false
  #last = false
  #secondBegan = -Infinity
  #runs = 0

  constructor(check: () => unknown) {
    this.#check = check
  }

  /** Calls back exactly once, immediately or when the check has finished. Returns a function that cancels the wait. */
  ask(reply: CheckReply): () => void {
    if (!this.#isRunning && this.#mayRun(performance.now())) void this.#run()
    if (!this.#isRunning) {
      reply(this.#last)
      return () => undefined
    }
    this.#waiting.add(reply)
    for (const longest of this.#waiting) {
      if (this.#waiting.size <= maxWaiting) break
      this.#waiting.delete(longest)
      longest(this.#last)
    }
    return () => this.#waiting.delete(reply)
  }

  #mayRun(now: number): boolean {
    if (now - this.#secondBegan >= 1000) {
      this.#secondBegan = now
      this.#runs = 0
    }
    return this.#runs < maxRunsPerSecond
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    this.#runs += 1
    this.#last = await runBounded(this.#check)
    this.#isRunning = false
    const replies = [...this.#waiting]
    this.#waiting.clear()
    for (const reply of replies) reply(this.#last)
  }
}

async function runBounded(check: () => unknown): Promise<boolean> {
  const timeout = new AbortController()
  try {
    const { signal } = timeout
    return (await Promise.race([check(), wait(longestCheck, false, { ref: false, signal })])) === true
  } catch {
    return false
  } finally {
    timeout.abort()
  }
}

/** Milliseconds. */
const longestCheck = 5000
const maxRunsPerSecond = 10
/** Waiting connections for each path that has a check; each takes about 20 KiB. */
const maxWaiting = 256
