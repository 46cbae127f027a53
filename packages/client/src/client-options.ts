import { ConfigurationError, dialerOptionNames, type DialerOptions } from '@countersign/core'
import { describeValue, isRecord, parseOptions } from '@countersign/core/options'

/** What every way of calling takes besides the servers. */
export interface ClientOptions extends DialerOptions {
  /** Milliseconds for a connection and its handshake together; default 10,000. */
  readonly timeoutMs?: number
}

/** What of the options concerns the connections, and what is left for whatever carries the requests. */
export interface ParsedClientOptions {
  readonly dialer: DialerOptions
  readonly timeoutMs: number
  readonly rest: Readonly<Record<string, unknown>>
}

/**
 * Parts the options of a client after checking that all are known; `further` are the names of its own.
 *
 * @throws {ConfigurationError} `option_unknown` or `option_invalid`
 */
export function parseClientOptions(
  options: ClientOptions,
  further: readonly string[],
  where: string,
): ParsedClientOptions {
  refuseProxies(options, where)
  const known = [...dialerOptionNames, 'timeoutMs', ...further]
  const { servers: _, tls: __, log: ___, timeoutMs = 10_000, ...rest } = parseOptions(options, known, where)
  if (typeof timeoutMs !== 'number' || !(timeoutMs > 0 && timeoutMs <= longestTimeout)) {
    const found = `${where}: timeoutMs: found ${describeValue(timeoutMs)}`
    throw new ConfigurationError('option_invalid', `${found}, expected milliseconds from 1 to ${longestTimeout}`)
  }
  for (const [name, value] of Object.entries(rest)) checkLimit(name, value, where)
  const { servers, tls, log } = options
  return {
    dialer: { servers, ...(tls !== undefined && { tls }), ...(log !== undefined && { log }) },
    timeoutMs,
    rest,
  }
}

// As long as `setTimeout` can wait.
const longestTimeout = 2_147_483_647

// Of what is handed on: Node and undici take nonsense for no limit, or find it at the first request.
function checkLimit(name: string, value: unknown, where: string): void {
  const least = leasts.get(name)
  if (value === undefined || least === undefined || (typeof value === 'number' && value >= least)) return
  const message = `${where}: ${name}: found ${describeValue(value)}, expected a number from ${least}`
  throw new ConfigurationError('option_invalid', message, { value })
}

const leasts: ReadonlyMap<string, number> = new Map([
  ['connections', 1],
  ['maxFreeSockets', 1],
  ['maxSockets', 1],
  ['maxTotalSockets', 1],
  ['bodyTimeout', 0],
  ['headersTimeout', 0],
  ['keepAliveMaxTimeout', 0],
  ['keepAliveMsecs', 0],
  ['keepAliveTimeout', 0],
  ['timeout', 0],
])

function refuseProxies(options: unknown, where: string): void {
  if (!isRecord(options)) return
  const found = ['proxy', 'proxyEnv', 'httpProxy', 'httpsProxy'].find((name) => options[name] !== undefined)
  if (found === undefined) return
  const message = `${where}: found ${found}, expected none: behind a proxy nobody knows who answered; let the service be reached directly`
  throw new ConfigurationError('option_invalid', message, { value: found })
}
