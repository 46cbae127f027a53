import { lstat, stat } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ConfigurationError } from '@countersign/spiffe'
import type { DevSocket } from './dev-options.ts'

/**
 * Returns the path of the socket to create: the requested one, otherwise one in `XDG_RUNTIME_DIR`, so that it stays the
 * same between starts. Returns undefined if that folder does not exist or others can access it. The caller then creates
 * a new folder with mode 0700.
 *
 * @throws {ConfigurationError} `option_invalid` if the folder of the path does not exist; it is not created, so none is
 * left behind
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
    const message = `--socket: found no folder ${folder}, expected one; create it first`
    throw new ConfigurationError('option_invalid', message, { value: folder })
  }
  const folder = environment['XDG_RUNTIME_DIR'] ?? ''
  // XDG Base Directory Specification: absolute, and with mode 0700. In a folder that others can write to, they could
  // replace our socket.
  const found = isAbsolute(folder) ? await lstat(folder).catch(() => undefined) : undefined
  const isOurs = found?.isDirectory() === true && found.uid === process.getuid?.() && (found.mode & 0o077) === 0
  const path = join(folder, 'countersign-dev.sock')
  return isOurs && Buffer.byteLength(path) <= longestSocketPath ? toEndpoint(path) : undefined
}

// The longest path that fits into sun_path on every system. The agent refuses a longer requested path.
const longestSocketPath = 103

// Spaces and similar characters are percent-encoded in a URI (RFC 3986 §2.1).
function toEndpoint(path: string): string {
  return `unix://${pathToFileURL(path).pathname}`
}
