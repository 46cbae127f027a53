import { readdirSync, readFileSync } from 'node:fs'

/**
 * Reads the processor time of another process, in microseconds. `/proc/<pid>/stat` counts in steps of 10 ms, which is as
 * long as a whole turn takes; the scheduler's statistics of each thread count nanoseconds.
 */
export class ThreadTimes {
  readonly #folder: string
  // Threads that have ended keep the time that was read last.
  readonly #times: Map<string, number> = new Map()

  constructor(pid: number) {
    this.#folder = `/proc/${pid}/task`
  }

  read(): number {
    for (const thread of readdirSync(this.#folder)) {
      const time = readThread(`${this.#folder}/${thread}/schedstat`)
      if (time !== undefined) this.#times.set(thread, time)
    }
    return [...this.#times.values()].reduce((sum, time) => sum + time, 0) / 1000
  }
}

/** Returns whether this system has these statistics. Linux does, unless its kernel was built without them. */
export function hasThreadTimes(): boolean {
  return readThread(`/proc/self/task/${process.pid}/schedstat`) !== undefined
}

function readThread(file: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(file, 'utf8'), 10)
  } catch {
    // The thread ended in the meantime.
    return undefined
  }
}
