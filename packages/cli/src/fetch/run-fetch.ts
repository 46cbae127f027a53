import { ConfigurationError } from '@countersign/spiffe'
import { createWorkloadApiClient } from '@countersign/workload-api'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { reportFailure } from '../failure.ts'
import { formatSvidBlock } from '../output/format-svid.ts'
import { readSvidFacts } from '../output/svid-facts.ts'
import { watchSvids } from './watch-svids.ts'

/** What `countersign fetch` takes. */
export interface FetchOptions {
  /** The endpoint instead of that of the environment. */
  readonly socket?: string
  /** Whether to stay and show each update. */
  readonly watch?: boolean
  /** Whether to print JSON lines instead of text. */
  readonly json?: boolean
}

/**
 * Shows what the agent gives this workload: each SVID, and the bundles that it is verified against.
 *
 * @throws {ConfigurationError} `option_invalid` without an endpoint, or with one that is no address
 * @throws as `WorkloadApiClient.fetchX509Svids` when the agent gives nothing that a service could use
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

// The client says the same in the words of a program; here it is a command line that has to be mended.
function findEndpoint(socket: string | undefined, environment: Context['environment']): { readonly endpoint?: string } {
  if (socket !== undefined) return { endpoint: socket }
  if ((environment['SPIFFE_ENDPOINT_SOCKET'] ?? '') !== '') return {}
  const expected = 'one such as unix:///run/spire/agent.sock; `countersign dev` starts an agent and prints its own'
  const message = `found neither --socket nor SPIFFE_ENDPOINT_SOCKET in the environment, expected ${expected}`
  throw new ConfigurationError('option_invalid', message)
}
