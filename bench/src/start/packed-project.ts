import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { readVersion } from '../report/machine.ts'

/** A project outside of the repository that has the packages as they are published, and the programs of this suite. */
export interface PackedProject {
  /** The path of the project's copy of a program. */
  program(file: URL): string
  remove(): Promise<void>
}

/** Packs the packages and installs them with the frameworks of the workspace. Takes about twenty seconds. */
export async function createPackedProject(programs: readonly URL[]): Promise<PackedProject> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-bench-'))
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true })
  const program = (file: URL): string => join(folder, basename(fileURLToPath(file)))
  try {
    await install(folder)
    for (const file of programs) await copyFile(file, program(file))
  } catch (error) {
    await remove()
    throw error
  }
  return { program, remove }
}

async function install(folder: string): Promise<void> {
  const packed = join(folder, 'packed')
  await run(process.execPath, [fileURLToPath(new URL('scripts/pack.mjs', root)), packed])
  const tarballs = (await readdir(packed)).filter((name) => needed.test(name)).map((name) => join(packed, name))
  const frameworks = [`fastify@${await readVersion('fastify')}`, `express@${await readVersion('express')}`]
  await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }')
  const options = ['--no-audit', '--no-fund', '--no-package-lock', '--ignore-scripts']
  await run('npm', ['install', ...options, ...tarballs, ...frameworks], folder)
}

const root = new URL('../../../', import.meta.url)
const needed = /^countersign-(?:spiffe|authorization|core|fastify|express)-/

async function run(command: string, args: readonly string[], cwd = fileURLToPath(root)): Promise<void> {
  // On Windows npm is a .cmd file, which only a shell can start.
  await promisify(execFile)(command, args, { cwd, shell: command === 'npm' && process.platform === 'win32' })
}
