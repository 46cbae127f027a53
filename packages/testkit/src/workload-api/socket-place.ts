import { once } from 'node:events'
import { chmod, lstat, mkdir, mkdtemp, rm, unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { ConfigurationError } from '@countersign/core'

/** Makes a folder of mode 0700 that only the agent's own account can look into. */
export function createSocketFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'countersign-agent-'))
}

/**
 * Makes room for a socket: its folder, with mode 0700 where there is none, and nothing in its place. What a dead server
 * left is removed.
 *
 * @throws {ConfigurationError} `option_invalid` when a server answers there, or something else than a socket lies there
 */
export async function clearSocketPlace(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const found = await lstat(path).catch(() => undefined)
  if (found === undefined) return
  if (!found.isSocket()) throw refusePlace(path, 'something that is no socket', 'a free path')
  if (await isAnswered(path)) throw refusePlace(path, 'a socket on which a server answers', 'one of its own')
  await unlink(path)
}

/** Closes the socket to other accounts; a socket is made with what the umask leaves, which may be everything. */
export async function closeToOthers(path: string): Promise<void> {
  await chmod(path, 0o600)
}

/** Removes a folder of `createSocketFolder`. */
export async function removeSocketFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
}

async function isAnswered(path: string): Promise<boolean> {
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

function refusePlace(path: string, found: string, expected: string): ConfigurationError {
  return new ConfigurationError('option_invalid', `endpoint: found ${found} at ${path}, expected ${expected}`, {
    value: path,
  })
}
