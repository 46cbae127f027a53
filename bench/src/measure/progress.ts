/** Prints to standard error every few seconds what is being measured and the progress. */
export class Progress {
  readonly #suite: string
  readonly #began: number = performance.now()
  readonly #timer: NodeJS.Timeout
  #step = ''

  constructor(suite: string) {
    this.#suite = suite
    this.#timer = setInterval(() => this.#show(), interval)
  }

  /** Seconds since the start. */
  get seconds(): number {
    return Math.round((performance.now() - this.#began) / 1000)
  }

  /** Returns a function that records how many rounds of one table are complete. */
  count(table: string): RoundListener {
    return (done, total) => {
      this.#step = `, ${table}: round ${done} of ${total}`
    }
  }

  /** Records what is being measured. */
  note(step: string): void {
    this.#step = `, ${step}`
  }

  end(): void {
    clearInterval(this.#timer)
  }

  #show(): void {
    process.stderr.write(`${this.#suite}: ${this.seconds} s${this.#step}\n`)
  }
}

/** Called after each round. */
export type RoundListener = (done: number, total: number) => void

/** Milliseconds: rare enough not to affect the measurement. */
const interval = 5000
