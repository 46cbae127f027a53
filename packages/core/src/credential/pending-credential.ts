/** A credential whose verification has to wait. */
export class PendingCredential {
  /** Fulfilled when the same request can be decided without waiting. Never rejected. */
  readonly settled: Promise<void>

  constructor(settled: Promise<void>) {
    this.settled = settled
  }
}
