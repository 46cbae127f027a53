import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, link, lstat, mkdir, mkdtemp, rm, unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { ConfigurationError } from '@countersign/spiffe'

/** Creates a folder with mode 0700, which only the agent's own account can read. */
export function createSocketFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'countersign-agent-'))
}

/**
 * Prepares the path of a socket: creates its folder, with mode 0700, if there is none, and removes the socket of a dead
 * server.
 *
 * @throws {ConfigurationError} `option_invalid` if a server may be listening there, or if the file is not a socket
 */
export async function clearSocketPlace(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const found = await lstat(path).catch(() => undefined)
  if (found === undefined) return
  if (!found.isSocket()) throw refusePlace(path, 'something that is not a socket', 'a free path')
  if (await isInUse(path))
    throw refusePlace(path, 'a socket that a server may be using', 'a path that no other server uses')
  await unlink(path)
}

/**
 * Returns a name in the same folder, for a socket that clients must not find yet. It is short, because the path may
 * already have the maximum length.
 */
export function nameBeside(path: string): string {
  return join(dirname(path), `.${randomBytes(2).toString('hex')}`)
}

/**
 * Restricts a socket to our own account, then links it to its path unless that is taken. Until then it has the mode
 * that the umask leaves, which may allow everything. Returns the inode for `removeSocket`.
 */
export async function placeSocket(bound: string, path: string): Promise<number> {
  try {
    await chmod(bound, 0o600)
    await link(bound, path)
    return (await lstat(path)).ino
  } finally {
    await unlink(bound)
  }
}

/** Removes the socket of a server that is still listening, unless another one has replaced it. */
export async function removeSocket(path: string, inode: number): Promise<void> {
  const found = await lstat(path).catch(() => undefined)
  if (found?.ino === inode) await unlink(path)
}

/** Removes a folder created by `createSocketFolder`. */
export async function removeSocketFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
}

async function isInUse(path: string): Promise<boolean> {
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    return true
  } catch (error) {
    // Any other error may come from a running server: one too busy to accept (EAGAIN), or one for datagrams
    // (EPROTOTYPE).
    return !(error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED')
  } finally {
    socket.destroy()
  }
}

function refusePlace(path: string, found: string, expected: string): ConfigurationError {
  return new ConfigurationError('option_invalid', `endpoint: found ${found} at ${path}, expected ${expected}`, {
    value: path,
  })
}
