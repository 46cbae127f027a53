import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { SourceError } from '../../errors.ts'
import { describeIdentity } from './file-identity.ts'

/** The content of a file at one time. */
export interface FileContent {
  readonly bytes: Buffer
  /** From `describeIdentity`. */
  readonly identity: string
}

/**
 * Reads a regular file of 1 byte to `mostBytes` bytes (default 1 MiB).
 *
 * @param option the option that configures the file, for messages
 * @throws {SourceError} `file_missing`, `file_forbidden`, or `file_unsuitable` for anything else
 */
export async function readFile(option: string, path: string, mostBytes: number = 2 ** 20): Promise<FileContent> {
  const refuse = (found: string, remedy: string): never => {
    throw new SourceError('file_unsuitable', `${option} '${path}': found ${found}, ${remedy}`, { value: path })
  }
  try {
    // Opening a FIFO without a writer would otherwise block forever.
    const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    try {
      const status = await file.stat({ bigint: true })
      if (status.isDirectory()) refuse('a directory', 'expected a file; write the path of the file in it')
      if (!status.isFile()) refuse('a pipe, socket or device', 'expected a regular file')
      const bytes = await readBytes(file, mostBytes)
      if (bytes.length === 0) refuse('an empty file', 'expected content; check the program that writes it')
      if (bytes.length > mostBytes)
        refuse(`more than ${mostBytes} bytes`, `expected at most ${mostBytes / 2 ** 20} MiB`)
      return { bytes, identity: describeIdentity(status) }
    } finally {
      await file.close()
    }
  } catch (error) {
    throw explainFailure(option, path, error)
  }
}

// Reads until the end instead of using the size, which is 0 for files in /proc and grows while a file is written.
async function readBytes(file: FileHandle, mostBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  while (length <= mostBytes) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafeSlow(2 ** 16))
    if (bytesRead === 0) break
    chunks.push(buffer.subarray(0, bytesRead))
    length += bytesRead
  }
  return Buffer.concat(chunks)
}

/** Converts an error of the operating system to a `SourceError`. Returns any other error unchanged. */
export function explainFailure(option: string, path: string, error: unknown): unknown {
  if (error instanceof SourceError || !(error instanceof Error) || !('code' in error)) return error
  const details = { value: path, cause: error }
  const where = `${option} '${path}'`
  switch (error.code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new SourceError(
        'file_missing',
        `${where}: found no file, expected one; check the path and the mount`,
        details,
      )
    case 'EACCES':
    case 'EPERM':
      return new SourceError(
        'file_forbidden',
        `${where}: found a file that this process may not read; check the owner and the mode of the file and of its folders`,
        details,
      )
    default:
      return new SourceError(
        'file_unsuitable',
        `${where}: found ${String(error.code)}, expected a readable file`,
        details,
      )
  }
}
