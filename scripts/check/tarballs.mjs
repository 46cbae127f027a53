import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { runNode, runPnpm } from '../setup.mjs'

/** Bundles every package and packs it into an empty folder, as it would be published. The workspace must be built. */
export function packPackages(folder) {
  const bundled = runNode(['scripts/bundle.mjs'])
  if (bundled.status !== 0) return bundled
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

/** The checks of one tarball. */
export const tarballChecks = [
  { tool: 'publint', check: (path) => runNode(['node_modules/publint/src/cli.js', path, '--strict']) },
  {
    tool: 'attw',
    check: (path) =>
      runNode(['node_modules/@arethetypeswrong/cli/dist/index.js', path, '--profile=esm-only', '--no-emoji']),
  },
]
