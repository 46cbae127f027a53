/**
 * `npm run coverage`: branch coverage of every package, folder by folder, over the whole test suite. A function that no
 * test calls counts as an uncovered branch.
 */
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { build, fail, install, root, runAttached } from './setup.mjs'
import { selectFiles } from './test/select-files.mjs'
import { readUncalledFunctions } from './uncalled-functions.mjs'

// The code that decides who a caller is and what it may do is covered completely.
const whole = [
  'packages/authorization/src',
  ...['certificate', 'subject', 'svid'].map((folder) => `packages/spiffe/src/${folder}`),
]
const leastElsewhere = 90

install()
build()
// Uses the sources of the packages, because code compiled in two ways would count its branches twice.
process.env.TSX_TSCONFIG_PATH = join(root, 'scripts/tsconfig.coverage.json')
rmSync(join(root, 'coverage'), { recursive: true, force: true })
const { files, flags } = selectFiles(process.argv.slice(2))
const code = await runAttached(process.execPath, [
  'node_modules/c8/bin/c8.js',
  '--reporter=json',
  '--reports-dir=coverage',
  '--temp-directory=coverage/raw',
  '--include=packages/*/src/**',
  '--exclude-after-remap',
  '--exclude=packages/*/dist/**',
  process.execPath,
  '--import',
  'tsx',
  '--test',
  '--test-reporter=spec',
  ...flags,
  ...files,
])
if (code !== 0) fail('No coverage is reported because the tests failed.')
process.exitCode = report(readCoverage()) ? 0 : 1

/** The branches of each file under packages/<package>/src that has code, by folder. */
function readCoverage() {
  const found = JSON.parse(readFileSync(join(root, 'coverage/coverage-final.json'), 'utf8'))
  const measured = new Map(
    Object.values(found).map((file) => [relative(root, file.path).split(sep).join('/'), branchesOf(file)]),
  )
  if (measured.size === 0) fail('The report names no file under packages/*/src: are there source maps in dist?')
  const uncalled = readUncalledFunctions(join(root, 'coverage/raw'))
  const groups = new Map()
  for (const name of listSources()) {
    // A file that contains only types is never loaded. A file with code that no test loads counts as one missed branch.
    if (!measured.has(name) && !hasCode(name)) continue
    const missed = uncalled.get(name) ?? (measured.has(name) ? [] : [1])
    const branches = [...(measured.get(name) ?? []), ...missed.map((line) => ({ line, taken: false }))]
    const group = groupOf(name)
    groups.set(group, [...(groups.get(group) ?? []), { name, branches }])
  }
  return groups
}

function report(groups) {
  const width = Math.max(...[...groups.keys()].map((group) => group.length))
  process.stdout.write(`\n${'folder'.padEnd(width)}  files  branches   covered  wanted\n`)
  const misses = []
  for (const [group, files] of groups) {
    const branches = files.flatMap((file) => file.branches)
    const taken = branches.filter((branch) => branch.taken).length
    const share = branches.length === 0 ? 100 : (100 * taken) / branches.length
    const wanted = whole.includes(group) ? 100 : leastElsewhere
    const figures = [
      String(files.length).padStart(5),
      String(branches.length).padStart(8),
      `${share.toFixed(1)} %`.padStart(8),
    ]
    process.stdout.write(`${group.padEnd(width)}  ${figures.join('  ')}  ${`${wanted} %`.padStart(6)}\n`)
    if (share >= wanted) continue
    for (const { name, branches: own } of files) {
      const lines = own.filter((branch) => !branch.taken).map((branch) => branch.line)
      if (lines.length > 0) misses.push(`${name}: line ${[...new Set(lines)].join(', ')}`)
    }
  }
  const absent = whole.filter((group) => !groups.has(group))
  for (const group of absent) misses.push(`${group}: no file was measured`)
  if (misses.length > 0)
    process.stdout.write(`\nCoverage is too low. Branches and functions that no test covers:\n${misses.join('\n')}\n`)
  return misses.length === 0
}

function branchesOf(file) {
  return Object.entries(file.b).flatMap(([id, counts]) =>
    counts.map((count, index) => ({ line: file.branchMap[id].locations[index].start.line, taken: count > 0 })),
  )
}

// packages/spiffe/src/svid/verify.ts is in packages/spiffe/src/svid, packages/core/src/guard.ts in packages/core/src.
function groupOf(name) {
  return name.split('/').slice(0, -1).slice(0, 4).join('/')
}

function listSources() {
  return readdirSync(join(root, 'packages'))
    .map((name) => `packages/${name}/src`)
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true }).map((file) => `${folder}/${file.split(sep).join('/')}`),
    )
    .filter((file) => file.endsWith('.ts'))
    .toSorted()
}

function hasCode(name) {
  const compiled = readFileSync(join(root, name.replace('/src/', '/dist/').replace(/\.ts$/, '.js')), 'utf8')
  const code = compiled.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '').replaceAll(/^export \{\};$/gm, '')
  return code.trim() !== ''
}
