import { createAuthority } from '@countersign/testkit'
import { type Agent, startAgent } from '@countersign/testkit/workload-api'
import type { Context } from '../context.ts'
import { waitForEnd } from '../ending.ts'
import { exitCodes } from '../exit-codes.ts'
import { reportFailure } from '../failure.ts'
import { chooseEndpoint } from './choose-endpoint.ts'
import { type DevFlags, type DevOptions, parseDevFlags } from './dev-options.ts'
import { followRotations } from './follow-rotations.ts'
import { quoteForShell } from './quote-for-shell.ts'

/**
 * Runs a Workload API on a Unix socket or a loopback port until the process is signalled to end, and then removes
 * everything it created. Never use it in production: every client of the socket gets every SVID, and the authority's
 * key is in this process.
 *
 * @throws {ConfigurationError} `option_invalid` for invalid flags
 */
export async function runDev(flags: DevFlags, context: Context): Promise<number> {
  const options = parseDevFlags(flags)
  const ended = context.stayUntilEnded()
  let agent: Agent
  try {
    agent = await openAgent(options, context)
  } catch (error) {
    // The flags are valid, but the socket is not available.
    return reportFailure(error, context, exitCodes.failed)
  }
  try {
    announce(agent.endpoint, options, context)
    const stop = followRotations(agent.endpoint, options.json, context)
    await waitForEnd(ended)
    stop()
  } finally {
    await agent.close()
  }
  return exitCodes.ok
}

async function openAgent(options: DevOptions, { environment }: Context): Promise<Agent> {
  const { trustDomain, services, ttlSeconds, federatesWith, socket } = options
  const endpoint = await chooseEndpoint(socket, environment)
  const authorities = await Promise.all(
    [trustDomain, ...federatesWith].map((name) => createAuthority(name, { ttlSeconds: authorityTtlSeconds })),
  )
  return startAgent({
    authorities,
    entries: services.map((service) => ({ ...service, ttlSeconds, federatesWith })),
    ...(endpoint !== undefined && { endpoint }),
  })
}

/** Longer than a laptop stays on. */
const authorityTtlSeconds = 365 * 24 * 3600

function announce(endpoint: string, options: DevOptions, { output, errors }: Context): void {
  const { json, trustDomain, federatesWith } = options
  if (json) output.json({ event: 'listening', endpoint, trustDomain, federatesWith })
  else output.line(`export SPIFFE_ENDPOINT_SOCKET=${quoteForShell(endpoint)}`)
  // A Unix socket is open only to our own account, a port to every account.
  const who = endpoint.startsWith('tcp:') ? 'every account on this machine' : 'everyone who can reach the socket'
  // On stderr, so that a shell can read just the first line of stdout, and a program all of it.
  errors.line(errors.colors.yellow(`countersign: for development only: ${who} gets every SVID; press Ctrl-C to stop`))
}
