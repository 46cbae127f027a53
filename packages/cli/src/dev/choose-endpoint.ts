import { lstat, stat } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ConfigurationError } from '@countersign/spiffe'
import type { DevSocket } from './dev-options.ts'

/**
 * Where the socket is to be: at the place that was asked for, else in `XDG_RUNTIME_DIR`, whose name stays the same from one
 * start to the next. Undefined, for a fresh folder of mode 0700, where there is no such folder that is ours alone.
 *
 * @throws {ConfigurationError} `option_invalid` for a path in a folder that is not there: none is made, so none stays behind
 */
export async function chooseEndpoint(
  socket: DevSocket | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<string | undefined> {
  if (socket?.transport === 'tcp') return socket.endpoint
  if (socket !== undefined) {
    const folder = dirname(socket.path)
    const found = await stat(folder).catch(() => undefined)
    if (found?.isDirectory() === true) return toEndpoint(socket.path)
    const message = `--socket: found no folder ${folder}, expected one; make it first`
    throw new ConfigurationError('option_invalid', message, { value: folder })
  }
  const folder = environment['XDG_RUNTIME_DIR'] ?? ''
  // XDG Base Directory Specification: absolute, and of mode 0700. A folder of others would let them take our place.
  const found = isAbsolute(folder) ? await lstat(folder).catch(() => undefined) : undefined
  const isOurs = found?.isDirectory() === true && found.uid === process.getuid?.() && (found.mode & 0o077) === 0
  const path = join(folder, 'countersign-dev.sock')
  return isOurs && Buffer.byteLength(path) <= longestSocketPath ? toEndpoint(path) : undefined
}

// What every system has room for in sun_path; a longer one that was asked for is refused by the agent.
const longestSocketPath = 103

// Spaces and their like are written %20 in a URI (RFC 3986 §2.1).
function toEndpoint(path: string): string {
  return `unix://${pathToFileURL(path).pathname}`
}
