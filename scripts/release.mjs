/**
 * `npm run release`: makes a release, in .github/workflows/release.yml only. All packages have one version.
 *
 *   npm run release -- --dry-run   prints what both steps would do; writes, publishes and tags nothing
 *   npm run release -- prepare     raises the version, writes CHANGELOG.md, removes the changesets; a pull request follows
 *   npm run release -- publish     builds, bundles, packs and checks the packages, publishes them with provenance, tags the commit
 *   npm run release                the next step: prepare if there are changesets, otherwise publish
 *
 * `--dry-run --skip-tarballs` skips the tarballs, which take twenty seconds.
 */
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { listTarballs, packPackages, tarballChecks } from './check/tarballs.mjs'
import { build, cache, fail, install, root, runTool } from './setup.mjs'

const args = process.argv.slice(2).join(' ')
const isDryRun = args.startsWith('--dry-run')
if (!['', 'prepare', 'publish', '--dry-run', '--dry-run --skip-tarballs'].includes(args)) {
  fail(`Found '${args}', expected prepare, publish, --dry-run or nothing: npm run release -- --dry-run`)
}

install()
// Imported late: on a fresh clone their dependency is not installed when this file is loaded.
const { readPlan } = await import('./release/plan.mjs')
const { addSection } = await import('./release/changelog.mjs')
const { listMissing } = await import('./release/missing.mjs')

const plan = readPlan(root)
if (isDryRun) {
  say(`Dry run: nothing is written, published or tagged. All packages are ${plan.current}.`)
  sayMissing()
  prepare()
  publish(plan.version ?? plan.current)
  say('\nDry run: done.')
} else {
  const due = plan.changesets.length > 0 ? 'prepare' : 'publish'
  const step = args === '' ? due : args
  const missing = findMissing(step)
  if (missing.length > 0)
    fail(`A release needs:\n${toList(missing)}\nTo see what it would do: npm run release -- --dry-run`)
  if (step === 'prepare') prepare()
  else if (plan.changesets.length > 0) say('Nothing to publish: there are changesets. Merge the release first.')
  else publish(plan.current)
}

function prepare() {
  const { packages, changesets, current, version, type } = plan
  if (version === undefined) {
    say('\nVersion: stays, because there are no changesets')
    return
  }
  say(`\nVersion: ${current} → ${version}, because the largest of ${changesets.length} changeset(s) is ${type}`)
  for (const { name, file } of packages) {
    say(`  ${name} (${file})`)
    if (!isDryRun) writeVersion(file, current, version)
  }

  const path = join(root, 'CHANGELOG.md')
  const date = new Date().toISOString().slice(0, 10)
  const { text, section } = addSection(readFileSync(path, 'utf8'), { version, date, changesets })
  say(`\nCHANGELOG.md: a new section\n${section.replaceAll(/^(?=.)/gm, '  ')}`)
  if (!isDryRun) writeFileSync(path, text)

  say('\nChangesets: removed, because CHANGELOG.md has them')
  for (const { file } of changesets) {
    say(`  ${file}`)
    if (!isDryRun) rmSync(join(root, file))
  }
  const outputs = process.env['GITHUB_OUTPUT']
  if (!isDryRun && outputs !== undefined) appendFileSync(outputs, `version=${version}\n`)
}

function publish(version) {
  const tag = `v${version}`
  if (runTool('git', ['tag', '--list', tag]).output.trim() !== '') {
    say(`\nNothing to publish: ${tag} is tagged.`)
    return
  }
  say('\nBuild: tsc -b')
  build()

  const tarballs = args.endsWith('--skip-tarballs') ? [] : packAndCheck()
  say(`\nPublish: ${version}${isDryRun ? ` (a dry run packs what is there, ${plan.current})` : ''}`)
  for (const path of tarballs) {
    const options = ['--provenance', '--access=public']
    say(`  npm publish ${basename(path)} ${options.join(' ')}`)
    if (!isDryRun && !isPublished(path, version)) demand('npm publish', runTool('npm', ['publish', path, ...options]))
  }

  say(`\nTag: ${tag}`)
  if (isDryRun) return
  demand('git tag', runTool('git', ['tag', tag]))
  demand('git push', runTool('git', ['push', 'origin', tag]))
}

function packAndCheck() {
  say('\nTarballs: bundled by esbuild, packed by pnpm, checked by publint and attw')
  const folder = join(cache, 'release')
  demand('pnpm pack', packPackages(folder))
  const tarballs = listTarballs(folder)
  for (const path of tarballs) {
    for (const { tool, check } of tarballChecks) demand(`${tool} ${basename(path)}`, check(path))
    say(`  ok ${basename(path)}`)
  }
  return tarballs
}

/** A run that failed half-way is repeated; what it published stays. */
function isPublished(path, version) {
  const { name } = plan.packages.find(
    (each) => basename(path) === `countersign-${each.name.split('/')[1]}-${version}.tgz`,
  )
  const done = runTool('npm', ['view', `${name}@${version}`, 'version'])
  return done.status === 0 && done.output.includes(version)
}

function writeVersion(file, current, version) {
  const path = join(root, file)
  writeFileSync(path, readFileSync(path, 'utf8').replace(`"version": "${current}"`, `"version": "${version}"`))
}

function sayMissing() {
  const missing = findMissing('publish')
  if (missing.length > 0) say(`\nWithout --dry-run it would refuse here. It needs:\n${toList(missing)}`)
}

function findMissing(which) {
  return listMissing({
    env: process.env,
    status: runTool('git', ['status', '--porcelain']).output.trim(),
    head: runTool('git', ['rev-parse', 'HEAD']).output.trim(),
    npm: runTool('npm', ['--version']).output.trim(),
    repository: plan.packages[0].repository,
    step: which,
  })
}

function toList(sentences) {
  return sentences.map((sentence) => `  - ${sentence}`).join('\n')
}

function demand(what, { error, status, output }) {
  if (status !== 0) fail(`${what} failed:\n${error?.message ?? output}`)
}

function say(text) {
  process.stdout.write(`${text}\n`)
}
