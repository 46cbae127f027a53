/** Shows on standard error every few seconds what is measured and how far it is. */
export class Progress {
  readonly #suite: string
  readonly #began: number = performance.now()
  readonly #timer: NodeJS.Timeout
  #step = ''

  constructor(suite: string) {
    this.#suite = suite
    this.#timer = setInterval(() => this.#show(), interval)
  }

  /** Seconds since the beginning. */
  get seconds(): number {
    return Math.round((performance.now() - this.#began) / 1000)
  }

  /** Returns the function that notes how many rounds of one table are done. */
  count(table: string): RoundListener {
    return (done, total) => {
      this.#step = `, ${table}: round ${done} of ${total}`
    }
  }

  /** Notes what is measured now. */
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

/** Told after each round. */
export type RoundListener = (done: number, total: number) => void

/** Milliseconds: rare enough to cost nothing that is measured. */
const interval = 5000
