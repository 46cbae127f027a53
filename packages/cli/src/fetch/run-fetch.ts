import { createWorkloadApiClient } from '@countersign/workload-api'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { reportFailure } from '../failure.ts'
import { findEndpoint } from '../find-endpoint.ts'
import { formatSvidBlock } from '../output/format-svid.ts'
import { readSvidFacts } from '../output/svid-facts.ts'
import { watchSvids } from './watch-svids.ts'

/** Options of `countersign fetch`. */
export interface FetchOptions {
  /** The endpoint to use instead of the environment's. */
  readonly socket?: string
  /** Whether to keep running and show each update. */
  readonly watch?: boolean
  /** Whether to print JSON lines instead of text. */
  readonly json?: boolean
}

/**
 * Shows what the agent returns to this workload: each SVID, and the bundles for verification.
 *
 * @throws {ConfigurationError} `option_invalid` without an endpoint, or if it is not an address
 * @throws as `WorkloadApiClient.fetchX509Svids` does, if the agent returns nothing that a service could use
 */
export async function runFetch(options: FetchOptions, context: Context): Promise<number> {
  const { watch = false, json = false } = options
  const client = createWorkloadApiClient(findEndpoint(options.socket, context.environment))
  if (watch) return watchSvids(client, json, context)
  const fetched = await client.fetchX509Svids({ onError: (error) => reportFailure(error, context) })
  const svids = fetched.map(readSvidFacts)
  const { output, now } = context
  for (const [index, svid] of svids.entries()) {
    if (json) {
      output.json({ event: 'svid', ...svid })
      continue
    }
    if (index > 0) output.line('')
    for (const line of formatSvidBlock(svid, now(), output.colors)) output.line(line)
  }
  return exitCodes.ok
}
