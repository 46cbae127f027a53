import { join } from 'node:path'
import { ConfigurationError } from '@countersign/spiffe'
import { Agent } from './agent.ts'
import { type AgentAddress, parseAgentAddress } from './agent-address.ts'
import { checkOptions } from '../check-options.ts'
import { agentKinds, type AgentOptions, findAuthorities } from './agent-options.ts'
import { AgentProcess } from './agent-process.ts'
import { AgentState } from './agent-state.ts'
import { createSocketFolder } from './socket-place.ts'
import { createKeys } from './trust-domain-keys.ts'

/**
 * Starts a SPIFFE Workload API in this process: a real gRPC server with authorities in memory. Never use it in
 * production: it does not attest its callers, and sends every SVID with its key to each of them. Therefore it listens
 * only on a socket with mode 0600 or on loopback.
 *
 * @example
 * await using agent = await startAgent({
 *   trustDomain: 'saas.example',
 *   entries: [{ spiffeId: 'spiffe://saas.example/ns/production/sa/billing', ttlSeconds: 60 }],
 * })
 * const source = await workloadApiSource({ endpoint: agent.endpoint })
 * @throws {SpiffeIdError} if the text is not a SPIFFE ID or trust domain name
 * @throws {ConfigurationError} `option_invalid`
 */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  checkOptions(options, 'startAgent', agentKinds)
  const { entries = [], endpoint, crls = [], faults = [] } = options
  const state = new AgentState(createKeys(await findAuthorities(options)))
  state.crls = [...crls]
  await state.replaceEntries(entries)
  const isLate = faults.some(({ name }) => name === 'no_socket')
  if (isLate && endpoint?.startsWith('tcp:') && endpoint.endsWith(':0')) {
    const message = `endpoint: found '${endpoint}' with no_socket, expected a port that is known before it opens`
    throw new ConfigurationError('option_invalid', message, { value: endpoint })
  }
  const given = endpoint === undefined ? undefined : parseAgentAddress(endpoint)
  const folder = given === undefined ? await createSocketFolder() : undefined
  const address: AgentAddress = given ?? { transport: 'unix', path: join(folder ?? '', 'agent.sock') }
  const agent = new Agent(new AgentProcess(state, address), folder)
  try {
    for (const { name, ...reach } of faults) await agent.fail(name, reach)
    if (!isLate) await agent.start()
  } catch (error) {
    await agent.close()
    throw error
  }
  return agent
}
