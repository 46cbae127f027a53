import { parseOptions } from '@countersign/spiffe/options'
import { checkMilliseconds, refuseOption } from '../check-options.ts'

/** What `workloadApiSource` takes. */
export interface WorkloadApiSourceOptions {
  /** `unix:///run/spire/agent.sock` or `tcp://127.0.0.1:8081`. Default: `SPIFFE_ENDPOINT_SOCKET` of the environment. */
  readonly endpoint?: string
  /** Chooses among several SVIDs by what the agent calls them. Default: the first, which the standard makes the default identity. */
  readonly hint?: string
  /** How long to wait for the first SVID. Default 30,000: an agent may still be learning of a new registration entry. */
  readonly timeoutMs?: number
  /** Gives a source at once, whose `current` throws until the agent has answered. Default false: a guard cannot be made of such a source. */
  readonly startWithoutSvid?: boolean
  /** The longest time between two attempts to reach the agent. Default 10,000: the agent is on this machine. */
  readonly maxRetryMs?: number
}

/** Options that cannot be wrong any more. */
export interface ParsedSourceOptions {
  readonly endpoint: string | undefined
  readonly hint: string | undefined
  readonly timeoutMs: number
  readonly startWithoutSvid: boolean
  readonly maxRetryMs: number
}

/**
 * Checks every option.
 *
 * @throws {ConfigurationError} `option_unknown` or `option_invalid`
 */
export function parseSourceOptions(options: WorkloadApiSourceOptions): ParsedSourceOptions {
  parseOptions(options, ['endpoint', 'hint', 'timeoutMs', 'startWithoutSvid', 'maxRetryMs'], where)
  const { endpoint, hint, timeoutMs = 30_000, startWithoutSvid = false, maxRetryMs = 10_000 } = options
  for (const [name, value] of Object.entries({ endpoint, hint })) {
    if (value !== undefined && typeof value !== 'string') refuseOption(where, name, value, 'text')
  }
  // SPIFFE Workload API §8 bounds it.
  if (hint === '' || Buffer.byteLength(hint ?? '') > 1024) {
    refuseOption(where, 'hint', hint, 'text of 1 to 1024 bytes, or none')
  }
  if (typeof startWithoutSvid !== 'boolean') {
    refuseOption(where, 'startWithoutSvid', startWithoutSvid, 'true or false')
  }
  checkMilliseconds(where, 'timeoutMs', timeoutMs)
  checkMilliseconds(where, 'maxRetryMs', maxRetryMs)
  return { endpoint, hint, timeoutMs, startWithoutSvid, maxRetryMs }
}

const where = 'workloadApiSource'
