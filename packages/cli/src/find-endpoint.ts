import { ConfigurationError } from '@countersign/spiffe'
import type { Context } from './context.ts'

/**
 * Returns the endpoint of the agent as an option. The client reports a missing one in terms of its API; here the command
 * line has to be fixed.
 *
 * @throws {ConfigurationError} `option_invalid` if there is none
 */
export function findEndpoint(
  socket: string | undefined,
  environment: Context['environment'],
): { readonly endpoint: string } {
  if (socket !== undefined) return { endpoint: socket }
  const endpoint = environment['SPIFFE_ENDPOINT_SOCKET'] ?? ''
  if (endpoint !== '') return { endpoint }
  const expected = 'one such as unix:///run/spire/agent.sock; `countersign dev` starts an agent and prints its own'
  const message = `found neither --socket nor SPIFFE_ENDPOINT_SOCKET in the environment, expected ${expected}`
  throw new ConfigurationError('option_invalid', message)
}
