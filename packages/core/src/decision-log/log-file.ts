import { close, closeSync, constants, fstatSync, openSync, readSync, write, writeSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { ConfigurationError } from '@countersign/spiffe'
import { describeThrown } from '@countersign/spiffe/options'
import type { Destination, Written } from './line-writer.ts'

/** The file of a decision log. Opened again after it was renamed or removed. */
export class LogFile implements Destination {
  readonly failure = undefined
  readonly #path: string
  readonly #onReopen: () => void
  #file: OpenFile
  #checkedAt = performance.now()
  /** The error if the file that is now at the path could not be opened. */
  #problem: Error | undefined
  #isClosed = false
  /** The last operation. Each waits for the previous one, so that no descriptor is closed during a write. */
  #last: Promise<unknown> = Promise.resolve()

  /**
   * Opens the file. `onReopen` is called when another file takes its place.
   *
   * @throws {ConfigurationError} `option_invalid` if it cannot be opened, or is not a regular file
   */
  constructor(path: string, onReopen: () => void) {
    // The working directory may change later.
    this.#path = resolve(path)
    this.#onReopen = onReopen
    try {
      this.#file = openFile(this.#path)
    } catch (error) {
      const problem = `decisionLog: path: ${describeThrown(error)}; expected a file in an existing folder`
      throw new ConfigurationError('option_invalid', problem, { value: path, cause: error })
    }
  }

  write(bytes: Buffer): Promise<Written> {
    return this.#inOrder(async () => {
      await this.#checkPath()
      const { bytes: written, error } = await this.#append(bytes)
      return { bytes: written, error: error ?? this.#problem }
    })
  }

  writeAtExit(bytes: Buffer): void {
    const { descriptor, isTorn } = this.#file
    let rest = isTorn ? Buffer.concat([lineFeed, bytes]) : bytes
    try {
      while (rest.length > 0) rest = rest.subarray(writeSync(descriptor, rest))
    } catch {
      // The process exits, so nothing can be reported.
    }
  }

  /**
   * Opens the file again under its path.
   *
   * @throws {Error} that of Node.js; the open file stays in use
   */
  reopen(): Promise<void> {
    return this.#inOrder(() => this.#replace())
  }

  async close(): Promise<void> {
    await this.#inOrder(() => {
      this.#isClosed = true
      return closeQuietly(this.#file.descriptor)
    })
  }

  #inOrder<Result>(operation: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(operation)
    this.#last = result.catch(() => undefined)
    return result
  }

  /** Reopens the path if it now leads to another file. If that fails, the open file stays in use. */
  async #checkPath(): Promise<void> {
    const now = performance.now()
    if (now - this.#checkedAt < checkInterval) return
    this.#checkedAt = now
    try {
      const found = await stat(this.#path, { bigint: true }).catch(ignoreMissing)
      if (found === undefined || found.ino !== this.#file.inode || found.dev !== this.#file.device)
        await this.#replace()
      this.#problem = undefined
    } catch (error) {
      this.#problem = toError(error)
    }
  }

  async #replace(): Promise<void> {
    if (this.#isClosed) return
    const previous = this.#file
    // Blocks on the disk, but only on rotation, and directly after a successful `stat`.
    this.#file = openFile(this.#path)
    this.#onReopen()
    await closeQuietly(previous.descriptor)
  }

  async #append(bytes: Buffer): Promise<Written> {
    const file = this.#file
    let written = 0
    try {
      if (file.isTorn) await writeBytes(file.descriptor, lineFeed)
      file.isTorn = false
      while (written < bytes.length) {
        const { bytesWritten } = await writeBytes(file.descriptor, bytes, written)
        written += bytesWritten
      }
      return { bytes: written }
    } catch (error) {
      file.isTorn ||= written > 0 && bytes[written - 1] !== lineFeed[0]
      return { bytes: written, error: toError(error) }
    }
  }
}

interface OpenFile {
  readonly descriptor: number
  readonly inode: bigint
  readonly device: bigint
  /** True if the file ends within a line, because a write was cut short. */
  isTorn: boolean
}

// Does not follow a link or wait for the reader of a pipe, because others may be able to write to the folder.
const flags = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK

function openFile(path: string): OpenFile {
  const descriptor = openSync(path, flags, 0o600)
  try {
    const stats = fstatSync(descriptor, { bigint: true })
    if (!stats.isFile()) throw new Error(`found ${path}, which is not a regular file`)
    return { descriptor, inode: stats.ino, device: stats.dev, isTorn: endsWithinLine(descriptor, stats.size) }
  } catch (error) {
    closeSync(descriptor)
    throw error
  }
}

function endsWithinLine(descriptor: number, size: bigint): boolean {
  const last = Buffer.alloc(1)
  return size > 0n && readSync(descriptor, last, 0, 1, size - 1n) === 1 && !last.equals(lineFeed)
}

const writeBytes = promisify(write)
const closeDescriptor = promisify(close)

async function closeQuietly(descriptor: number): Promise<void> {
  await closeDescriptor(descriptor).catch(() => undefined)
}

function ignoreMissing(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
  throw error
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(describeThrown(error))
}

const lineFeed = Buffer.from('\n')

/** Milliseconds. */
const checkInterval = 1000
