import { ConfigurationError } from '@countersign/spiffe'
import { parseEndpointAddress } from '@countersign/workload-api'

/** Where the embedded agent listens: a Unix socket, or a port of 127.0.0.1. */
export type AgentAddress =
  | { readonly transport: 'unix'; readonly path: string }
  | { readonly transport: 'tcp'; readonly port: number }

/**
 * Reads `unix:///tmp/agent.sock` or `tcp://127.0.0.1:<port>`, where port 0 is any free one. No other host is taken,
 * because the agent hands private keys to everybody who can reach it.
 *
 * @throws {ConfigurationError} `option_invalid` for anything else, and for a path that is too long for a socket
 */
export function parseAgentAddress(text: string): AgentAddress {
  const [, digits] = /^tcp:\/\/127\.0\.0\.1:(\d{1,5})$/.exec(text) ?? []
  if (digits !== undefined && Number(digits) <= 65_535) return { transport: 'tcp', port: Number(digits) }
  if (text.startsWith('tcp:')) {
    const message = `endpoint: found '${text}', expected tcp://127.0.0.1:<port>: the embedded agent listens on the loopback only`
    throw new ConfigurationError('option_invalid', message, { value: text })
  }
  const address = parseEndpointAddress(text)
  if (address.transport === 'tcp') throw new TypeError(`found tcp in '${text}', expected unix`)
  const length = Buffer.byteLength(address.path)
  if (length <= longestPath) return { transport: 'unix', path: address.path }
  const message = `endpoint: found a path of ${length} bytes, expected at most ${longestPath}; use a folder nearer to the root`
  throw new ConfigurationError('option_invalid', message, { value: text })
}

/** The address as a client reads it. */
export function formatAgentAddress(address: AgentAddress): string {
  if (address.transport === 'tcp') return `tcp://127.0.0.1:${address.port}`
  return `unix://${encodeURI(address.path).replaceAll('?', '%3F').replaceAll('#', '%23')}`
}

// sun_path has 104 bytes on macOS and 108 on Linux, the last one a NUL; a longer path is cut off without a word.
const longestPath = 103
