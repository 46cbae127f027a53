import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, link, lstat, mkdir, mkdtemp, rm, unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { ConfigurationError } from '@countersign/spiffe'

/** Makes a folder of mode 0700 that only the agent's own account can look into. */
export function createSocketFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'countersign-agent-'))
}

/**
 * Makes room for a socket: its folder, with mode 0700 where there is none, and nothing in its place. What a dead server
 * left is removed.
 *
 * @throws {ConfigurationError} `option_invalid` when a server may be there, or something else than a socket is
 */
export async function clearSocketPlace(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const found = await lstat(path).catch(() => undefined)
  if (found === undefined) return
  if (!found.isSocket()) throw refusePlace(path, 'something that is no socket', 'a free path')
  if (await isInUse(path)) throw refusePlace(path, 'a socket that a server may be using', 'one of its own')
  await unlink(path)
}

/** A name beside this path, for a socket that is not to be found yet; short, because the path may be as long as it can be. */
export function nameBeside(path: string): string {
  return join(dirname(path), `.${randomBytes(2).toString('hex')}`)
}

/**
 * Closes a socket to other accounts, then gives it its place, unless that is taken by now. Where it was bound it had what
 * the umask leaves, which may be everything. Gives what `removeSocket` knows it by.
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

/** Removes the socket of a server that still listens, unless another one has taken its place. */
export async function removeSocket(path: string, inode: number): Promise<void> {
  const found = await lstat(path).catch(() => undefined)
  if (found?.ino === inode) await unlink(path)
}

/** Removes a folder of `createSocketFolder`. */
export async function removeSocketFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
}

async function isInUse(path: string): Promise<boolean> {
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    return true
  } catch (error) {
    // Anything else may be alive: a server too busy to accept (EAGAIN), or one that takes datagrams (EPROTOTYPE).
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
