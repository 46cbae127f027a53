import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { runNode, runPnpm } from '../setup.mjs'

/** Packs every package into an empty folder, as it would be published. */
export function packPackages(folder) {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  return runPnpm(['--recursive', '--filter=./packages/*', 'pack', `--pack-destination=${folder}`])
}

/** Lists the tarballs of a folder, in order. */
export function listTarballs(folder) {
  return readdirSync(folder)
    .toSorted()
    .map((name) => join(folder, name))
}

/** The checks of one tarball, by the name of the tool. */
export const tarballChecks = [
  ['publint', (path) => runNode(['node_modules/publint/src/cli.js', path, '--strict'])],
  [
    'attw',
    (path) => runNode(['node_modules/@arethetypeswrong/cli/dist/index.js', path, '--profile=esm-only', '--no-emoji']),
  ],
]
