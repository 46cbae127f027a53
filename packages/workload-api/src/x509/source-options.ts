import { parseOptions } from '@countersign/spiffe/options'
import { checkMilliseconds, refuseOption } from '../check-options.ts'

/** The options of `workloadApiSource`. */
export interface WorkloadApiSourceOptions {
  /**
   * `unix:///run/spire/agent.sock` or `tcp://127.0.0.1:8081`. Default: the environment variable
   * `SPIFFE_ENDPOINT_SOCKET`.
   */
  readonly endpoint?: string
  /**
   * Selects one of several SVIDs by the agent's hint. Default: the first, which the standard defines as the default
   * identity.
   */
  readonly hint?: string
  /**
   * How long to wait for the first SVID, in milliseconds. Default 30,000, because a new registration entry may not have
   * reached the agent yet.
   */
  readonly timeoutMs?: number
  /**
   * Returns a source immediately. Its `current` throws until the agent has answered. Default false, because a guard
   * cannot be created with such a source.
   */
  readonly startWithoutSvid?: boolean
  /**
   * The maximum delay between two attempts to reach the agent, in milliseconds. Default 10,000, because the agent is on
   * this machine.
   */
  readonly maxRetryMs?: number
}

/** The checked options. */
export interface ParsedSourceOptions {
  readonly endpoint: string | undefined
  readonly hint: string | undefined
  readonly timeoutMs: number
  readonly startWithoutSvid: boolean
  readonly maxRetryMs: number
}

/**
 * Checks all options and applies the defaults.
 *
 * @throws {ConfigurationError} `option_unknown` or `option_invalid`
 */
export function parseSourceOptions(options: WorkloadApiSourceOptions): ParsedSourceOptions {
  parseOptions(options, ['endpoint', 'hint', 'timeoutMs', 'startWithoutSvid', 'maxRetryMs'], where)
  const { endpoint, hint, timeoutMs = 30_000, startWithoutSvid = false, maxRetryMs = 10_000 } = options
  for (const [name, value] of Object.entries({ endpoint, hint })) {
    if (value !== undefined && typeof value !== 'string') refuseOption(where, name, value, 'text')
  }
  // The limit of SPIFFE Workload API §8.
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
