/** Requests at the start of a round that are not measured: the handshakes of its connections fall among them. */
export const unmeasured = 800
/** Requests of a round that are measured. */
export const measured = 3200

/** Counts the requests of a round and measures the processor time between the first measured one and the last. */
export interface CpuMeter {
  /** To be called by the handler, so that only requests that were let through count. */
  count(): void
}

/** Creates a meter that reports the microseconds of each request, user and system together, once a round. */
export function createCpuMeter(report: (microseconds: number) => void): CpuMeter {
  let requests = 0
  let start = process.cpuUsage()
  return {
    count() {
      requests += 1
      if (requests === unmeasured) start = process.cpuUsage()
      if (requests < unmeasured + measured) return
      const { user, system } = process.cpuUsage(start)
      requests = 0
      report((user + system) / measured)
    },
  }
}
