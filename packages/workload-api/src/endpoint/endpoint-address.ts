import { isIP } from 'node:net'
import { ConfigurationError } from '@countersign/spiffe'
import { describeValue, isRecord, refuseValue } from '@countersign/spiffe/options'

/** The address of an agent. */
export type EndpointAddress =
  | { readonly transport: 'unix'; readonly path: string }
  | { readonly transport: 'tcp'; readonly host: string; readonly port: number }

/** The environment variable with the address of the endpoint (SPIFFE Workload Endpoint §4). */
const endpointVariable = 'SPIFFE_ENDPOINT_SOCKET'

/**
 * Parses the address of a Workload Endpoint: `unix:///run/spire/agent.sock` or `tcp://127.0.0.1:8081`. The host must be
 * an IP address, because a name could resolve to an agent on another machine.
 *
 * @throws {ConfigurationError} `option_invalid` for anything else
 * @see https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Workload_Endpoint.md#4-locating-the-endpoint
 */
export function parseEndpointAddress(text: string, where: string = 'endpoint'): EndpointAddress {
  if (typeof text !== 'string') return refuse(text, where)
  const [, unixPath] = /^unix:(?:\/\/)?(\/[^/?#][^?#]*)$/.exec(text) ?? []
  if (unixPath !== undefined) return { transport: 'unix', path: decodePath(unixPath, text, where) }
  const [, bracketed, plain, digits] = /^tcp:\/\/(?:\[([^\]]+)\]|([^:/?#@[\]]+)):(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  const isAddress = bracketed === undefined ? isIP(plain ?? '') === 4 : isIP(bracketed) === 6
  if (isAddress && port >= 1 && port <= 65_535) return { transport: 'tcp', host: bracketed ?? plain ?? '', port }
  return refuse(text, where)
}

/**
 * Returns the configured endpoint, or else the one from the environment.
 *
 * @throws {ConfigurationError} `option_invalid` if neither is set, or if it is not a valid address
 */
export function findEndpoint(
  endpoint: string | undefined,
  environment: NodeJS.ProcessEnv = process.env,
): EndpointAddress {
  if (endpoint !== undefined) return parseEndpointAddress(endpoint)
  const text = environment[endpointVariable]
  if (text !== undefined && text !== '') return parseEndpointAddress(text, endpointVariable)
  const message = `endpoint: found neither the option nor ${endpointVariable} in the environment, expected one such as unix:///run/spire/agent.sock`
  throw new ConfigurationError('option_invalid', message)
}

/** Formats an address as text, for messages. */
export function formatEndpoint(address: EndpointAddress): string {
  if (!isRecord(address) || (address.transport !== 'unix' && address.transport !== 'tcp')) {
    const message = `formatEndpoint: found ${describeValue(address)}, expected what parseEndpointAddress() returns`
    throw new ConfigurationError('option_invalid', message)
  }
  if (address.transport === 'unix') return `unix://${address.path}`
  const { host, port } = address
  return `tcp://${host.includes(':') ? `[${host}]` : host}:${port}`
}

// RFC 3986 §2.1: a space in a URI path is written as %20. A NUL (%00) is rejected because the operating system would
// truncate the path there.
function decodePath(path: string, text: string, where: string): string {
  const decoded = decode(path)
  return decoded === undefined || /\p{Cc}/u.test(decoded) ? refuse(text, where) : decoded
}

function decode(path: string): string | undefined {
  try {
    return decodeURIComponent(path)
  } catch {
    return undefined
  }
}

function refuse(text: unknown, where: string): never {
  refuseValue(where, text, 'unix:///absolute/path or tcp://<IP address>:<port>, and nothing else')
}
