import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root, runNode, runTool } from '../setup.mjs'

/**
 * A separate project that installs the tarballs as a user does. It is outside of the repository so that it cannot find
 * the repository's modules.
 */
export function createConsumer() {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-consumer-'))
  const write = (name, text) => writeFileSync(join(folder, name), text)
  const manifests = readdirSync(join(root, 'packages')).map((name) => readJson(join(root, 'packages', name)))
  const entries = manifests.flatMap(({ name, exports }) =>
    Object.keys(exports).flatMap((path) => (path.endsWith('.json') ? [] : [name + path.slice(1)])),
  )

  write('package.json', '{ "private": true, "type": "module" }')
  // The output prevents a bundler from removing unused exports.
  const imports = entries.map((entry, index) => `import * as entry${index} from '${entry}'`)
  const names = entries.map((_, index) => `Object.keys(entry${index}).length`)
  write('every-export.js', `${imports.join('\n')}\nconsole.log([${names.join(', ')}].join())\n`)
  for (const name of ['class-names', 'service']) {
    copyFileSync(join(root, `scripts/check/${name}.mjs`), join(folder, `${name}.js`))
  }

  return {
    install: (tarballs) => {
      const frameworks = ['fastify', 'express'].map((name) => `${name}@${readJson(installed(name)).version}`)
      const args = ['install', '--no-audit', '--no-fund', '--no-package-lock', ...tarballs, ...frameworks]
      const done = runTool('npm', args, { cwd: folder })
      return done.status === 0 ? findCopies(folder, manifests) : done
    },
    run: (file) => runNode([file], { cwd: folder }),
    checkClassNames: () => runNode(['class-names.js', ...entries], { cwd: folder }),
    runCommand: () => runTool('npx', ['--no-install', 'countersign', '--help'], { cwd: folder }),
    /** Bundles a program as in docs/bundling.md, and runs the bundle in a folder without modules. */
    runBundled: (file, format) => {
      const outfile = join(tmpdir(), `${folder.split(/[/\\]/).at(-1)}.${format === 'esm' ? 'mjs' : 'cjs'}`)
      const options = ['--bundle', '--platform=node', '--target=node20', `--format=${format}`, `--outfile=${outfile}`]
      const esbuild = join(root, 'node_modules/esbuild/bin/esbuild')
      const done = runTool(esbuild, [file, ...options, ...(format === 'esm' ? [banner] : [])], { cwd: folder })
      const ran = done.status === 0 ? runNode([outfile], { cwd: tmpdir() }) : done
      rmSync(outfile, { force: true })
      return ran
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

const banner =
  "--banner:js=import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"

/** Checks that each of our packages is installed once, so that a proof of one copy is valid for all. */
function findCopies(folder, manifests) {
  const found = readdirSync(join(folder, 'node_modules'), { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => /(?:^|\/)@countersign\/[^/]+$/.test(path))
  const expected = manifests.map(({ name }) => name)
  const isOnce = found.length === expected.length && expected.every((name) => found.includes(name))
  return { status: isOnce ? 0 : 1, output: `found ${found.join(', ')}, expected each package once` }
}

function installed(framework) {
  return join(root, 'test/node_modules', framework)
}

function readJson(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
}
