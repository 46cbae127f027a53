import { ConfigurationError } from '@countersign/core'
import {
  dialerOptionNames,
  type DialerOptions,
  isCallable,
  isRecord,
  parseOptions,
  refuseValue,
} from '@countersign/core/adapter'

/** Options shared by every client, besides the servers. */
export interface ClientOptions extends DialerOptions {
  /** Milliseconds for connecting and the handshake together. Default: 10,000. */
  readonly timeoutMs?: number
}

/** The options of the connections, and the remaining ones for the HTTP client. */
export interface ParsedClientOptions {
  readonly dialer: DialerOptions
  readonly timeoutMs: number
  readonly rest: Readonly<Record<string, unknown>>
}

/**
 * Validates the source and the names of all options, and splits the options. `further` lists the client's own option
 * names.
 *
 * @throws {ConfigurationError} `option_unknown` or `option_invalid`
 */
export function parseClientOptions(
  source: unknown,
  options: ClientOptions,
  further: readonly string[],
  where: string,
): ParsedClientOptions {
  checkSource(source, where)
  refuseProxies(options, where)
  const known = [...dialerOptionNames, 'timeoutMs', ...further]
  const { servers: _, tls: __, log: ___, timeoutMs = 10_000, ...rest } = parseOptions(options, known, where)
  if (typeof timeoutMs !== 'number' || !(timeoutMs > 0 && timeoutMs <= longestTimeout)) {
    refuseValue(`${where}: timeoutMs`, timeoutMs, `milliseconds from 1 to ${longestTimeout}`)
  }
  for (const [name, value] of Object.entries(rest)) checkLimit(name, value, where)
  const { allowH2, scheduling } = rest
  if (allowH2 !== undefined && typeof allowH2 !== 'boolean') refuseValue(`${where}: allowH2`, allowH2, 'true or false')
  if (scheduling !== undefined && scheduling !== 'fifo' && scheduling !== 'lifo') {
    refuseValue(`${where}: scheduling`, scheduling, "'fifo' or 'lifo'")
  }
  const { servers, tls, log } = options
  return {
    dialer: { servers, ...(tls !== undefined && { tls }), ...(log !== undefined && { log }) },
    timeoutMs,
    rest,
  }
}

// The longest delay that `setTimeout` supports.
const longestTimeout = 2_147_483_647

// Checks options that are passed on, because Node and undici treat invalid limits as no limit or reject them only at
// the first request.
function checkLimit(name: string, value: unknown, where: string): void {
  const least = leasts.get(name)
  if (value === undefined || least === undefined || (typeof value === 'number' && value >= least)) return
  refuseValue(`${where}: ${name}`, value, `a number from ${least}`)
}

const leasts: ReadonlyMap<string, number> = new Map([
  ['connections', 1],
  ['maxFreeSockets', 1],
  ['maxHeaderSize', 1],
  ['maxSockets', 1],
  ['maxTotalSockets', 1],
  ['bodyTimeout', 0],
  ['headersTimeout', 0],
  ['keepAliveMaxTimeout', 0],
  ['keepAliveMsecs', 0],
  ['keepAliveTimeout', 0],
  ['maxResponseSize', -1],
  ['timeout', 0],
])

function checkSource(source: unknown, where: string): void {
  if (isRecord(source) && isCallable(source['onUpdate'])) return
  refuseValue(
    `${where}: source`,
    source,
    'a source such as await fileSource() as the first argument, and the options as the second',
  )
}

function refuseProxies(options: unknown, where: string): void {
  if (!isRecord(options)) return
  const found = ['proxy', 'proxyEnv', 'httpProxy', 'httpsProxy'].find((name) => options[name] !== undefined)
  if (found === undefined) return
  const message = `${where}: found ${found}, expected none, because the server cannot be verified through a proxy; connect to the service directly`
  throw new ConfigurationError('option_invalid', message, { value: found })
}
