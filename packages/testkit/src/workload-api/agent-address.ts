import { ConfigurationError } from '@countersign/spiffe'
import { parseEndpointAddress } from '@countersign/workload-api'

/** Where the embedded agent listens: a Unix socket, or a port of 127.0.0.1. */
export type AgentAddress =
  | { readonly transport: 'unix'; readonly path: string }
  | { readonly transport: 'tcp'; readonly port: number }

/**
 * Parses `unix:///tmp/agent.sock` or `tcp://127.0.0.1:<port>`, where port 0 means any free one. Other hosts are
 * refused, because the agent sends private keys to every client that can connect.
 *
 * @throws {ConfigurationError} `option_invalid` for anything else, or for a path that is too long for a socket
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
  const message = `endpoint: found a path of ${length} bytes, expected at most ${longestPath}; use a shorter path`
  throw new ConfigurationError('option_invalid', message, { value: text })
}

/** Formats the address for clients. */
export function formatAgentAddress(address: AgentAddress): string {
  if (address.transport === 'tcp') return `tcp://127.0.0.1:${address.port}`
  return `unix://${encodeURI(address.path).replaceAll('?', '%3F').replaceAll('#', '%23')}`
}

// sun_path has 104 bytes on macOS and 108 on Linux, including a trailing NUL. A longer path would be truncated
// silently.
const longestPath = 103
