/**
 * `npm run check`: types, lint, format, unused code, what each package would publish, and a project that installs all of
 * them. Runs all, fails if any fails.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createConsumer } from './check/consumer.mjs'
import { cache, install, runNode, runPnpm } from './setup.mjs'

install()
run('types (tsc -b)', () => runNode(['node_modules/typescript/bin/tsc', '-b']))
run('lint (oxlint)', () => runNode(['node_modules/oxlint/bin/oxlint', '--type-aware', '--deny-warnings']))
run('format (oxfmt)', () => runNode(['node_modules/oxfmt/bin/oxfmt', '--check']))
run('unused (knip)', () => runNode(['node_modules/knip/bin/knip.js', '--no-progress']))

const tarballs = join(cache, 'packed')
rmSync(tarballs, { recursive: true, force: true })
mkdirSync(tarballs, { recursive: true })
run('pack (pnpm)', () => runPnpm(['--recursive', '--filter=./packages/*', 'pack', `--pack-destination=${tarballs}`]))
for (const tarball of readdirSync(tarballs).toSorted()) {
  const path = join(tarballs, tarball)
  run(`publint ${tarball}`, () => runNode(['node_modules/publint/src/cli.js', path, '--strict']))
  run(`attw ${tarball}`, () =>
    runNode(['node_modules/@arethetypeswrong/cli/dist/index.js', path, '--profile=esm-only', '--no-emoji']),
  )
}

const consumer = createConsumer()
try {
  const paths = readdirSync(tarballs).map((tarball) => join(tarballs, tarball))
  run('install the tarballs (npm)', () => consumer.install(paths))
  run('run the installed command', () => consumer.runCommand())
  for (const file of ['every-export.js', 'service.js']) {
    run(`run ${file}`, () => consumer.run(file))
    // As CommonJS there is no await at the top of a module.
    const formats = file === 'service.js' ? ['esm'] : ['cjs', 'esm']
    for (const format of formats) run(`run ${file}, bundled as ${format}`, () => consumer.runBundled(file, format))
  }
} finally {
  consumer.remove()
}

function run(name, step) {
  const { error, status, output } = step()
  if (status === 0) {
    process.stdout.write(`ok    ${name}\n`)
    return
  }
  process.exitCode = 1
  process.stdout.write(`FAIL  ${name}\n${error?.message ?? output}\n`)
}
