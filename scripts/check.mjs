/**
 * `npm run check`: types, lint, format, unused code, the content that each package would publish, and a project that
 * installs all of them and runs a service. Runs all checks, and fails if any fails.
 */
import { basename, join } from 'node:path'
import { createConsumer } from './check/consumer.mjs'
import { listTarballs, packPackages, tarballChecks } from './check/tarballs.mjs'
import { cache, generate, install, runNode } from './setup.mjs'

install()
generate()
run('types (tsc -b)', () => runNode(['node_modules/typescript/bin/tsc', '-b']))
run('lint (oxlint)', () => runNode(['node_modules/oxlint/bin/oxlint', '--type-aware', '--deny-warnings']))
run('format (oxfmt)', () => runNode(['node_modules/oxfmt/bin/oxfmt', '--check']))
run('unused (knip)', () => runNode(['node_modules/knip/bin/knip.js', '--no-progress']))

const folder = join(cache, 'packed')
run('pack (pnpm)', () => packPackages(folder))
const tarballs = listTarballs(folder)
for (const path of tarballs) {
  for (const { tool, check } of tarballChecks) run(`${tool} ${basename(path)}`, () => check(path))
}

const consumer = createConsumer()
try {
  run('install the tarballs (npm)', () => consumer.install(tarballs))
  run('run the installed command', () => consumer.runCommand())
  run('names of exported classes', () => consumer.checkClassNames())
  for (const file of ['every-export.js', 'service.js']) {
    run(`run ${file}`, () => consumer.run(file))
    for (const format of ['cjs', 'esm'])
      run(`run ${file}, bundled as ${format}`, () => consumer.runBundled(file, format))
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
