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
 * Runs a Workload API on a Unix socket, or on a port of the loopback, until the process is asked to end, and leaves nothing behind. Never for production:
 * whoever reaches the socket gets every SVID, and the authority's key lives in this process.
 *
 * @throws {ConfigurationError} `option_invalid` for flags that cannot be meant
 */
export async function runDev(flags: DevFlags, context: Context): Promise<number> {
  const options = parseDevFlags(flags)
  const ended = context.stayUntilEnded()
  let agent: Agent
  try {
    agent = await openAgent(options, context)
  } catch (error) {
    // The flags are right: it is the socket that cannot be had.
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
  // A Unix socket is open to our own account alone, a port to every one.
  const who = endpoint.startsWith('tcp:') ? 'every account of this machine' : 'whoever reaches the socket'
  // On stderr, so that the first line alone can be read by a shell and all lines by a program.
  errors.line(
    errors.colors.yellow(`countersign: for development, never for production: ${who} gets every SVID; Ctrl-C ends`),
  )
}
