/**
 * Bundles each compiled package for its tarball: one file for each entry, with what entries share in chunks, so that a
 * class exists once. Node.js takes 0.4 ms to load a module, and the packages have 170. `packPackages` runs this in a
 * process of its own, because the script that packs starts before esbuild is installed.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { build } from 'esbuild'
import { root } from './setup.mjs'

for (const name of readdirSync(join(root, 'packages'))) {
  const folder = join(root, 'packages', name)
  removeStale(join(folder, 'src'), join(folder, 'dist'))
  await bundle(folder)
}

/** Bundles one package into its empty folder `bundle`, under the same paths as in `dist`. */
async function bundle(folder) {
  const { exports, bin = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const { outputFiles } = await build({
    absWorkingDir: folder,
    // An entry that is a file of data is published as it is.
    entryPoints: [...Object.values(exports).flatMap((entry) => entry.default ?? []), ...Object.values(bin)],
    outbase: 'dist',
    outdir: 'bundle',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    packages: 'external',
    // Node.js finds these files of the same package through its `imports`.
    external: ['#lazy/*'],
    sourcemap: true,
    write: false,
    logLevel: 'warning',
  })
  rmSync(join(folder, 'bundle'), { recursive: true, force: true })
  for (const { path, text } of outputFiles) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, path.endsWith('.js') ? restoreClassNames(text) : text)
  }
}

/**
 * Gives classes their own names again: esbuild turns `class A` into `var A = class _A` if its body refers to it, and
 * then logs and assertions show `_A`. The option `keepNames` would also wrap every closure, at each call.
 */
function restoreClassNames(text) {
  const names = [...text.matchAll(/^var (\w+) = class _\1\b/gm)].map(([, name]) => name)
  return names.reduce((code, name) => code.replaceAll(new RegExp(`(?<![\\w$#.])_${name}\\b`, 'g'), name), text)
}

/** Removes what tsc compiled from sources that no longer exist: it never does so itself. */
function removeStale(sources, compiled) {
  for (const file of readdirSync(compiled, { recursive: true, encoding: 'utf8' })) {
    const [, stem] = /^(.+?)(?:\.d\.ts|\.js)(?:\.map)?$/.exec(file) ?? []
    if (stem !== undefined && !existsSync(join(sources, `${stem}.ts`))) rmSync(join(compiled, file))
  }
}
