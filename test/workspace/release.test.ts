import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { scale } from '../support/long.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const names = readdirSync(join(root, 'packages'))

test('a dry run describes the release and does not change the working tree', (context) => {
  const before = readTree()
  context.after(() => assert.deepEqual(readTree(), before))
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['scripts/release.mjs', '--dry-run', ...scale(['--skip-tarballs'], [])],
    { cwd: root, encoding: 'utf8' },
  )

  assert.equal(status, 0, stderr)
  // Right after a release there is no changeset.
  if (!/^Version: stays/m.test(stdout)) {
    for (const name of names) assert.ok(stdout.includes(`@countersign/${name} (packages/${name}/package.json)`), name)
    assert.match(stdout, /^Version: \d+\.\d+\.\d+ → \d+\.\d+\.\d+, because /m)
    assert.match(stdout, /^ {2}## \d+\.\d+\.\d+ \(\d{4}-\d\d-\d\d\)$/m)
  }
  if (/^Nothing to publish/m.test(stdout)) return
  assert.match(stdout, /^Tag: v\d+\.\d+\.\d+$/m)
  const packed = [...stdout.matchAll(/^ {2}npm publish countersign-([\w-]+)-\d+\.\d+\.\d+\.tgz --provenance /gm)]
  assert.deepEqual(
    packed.map(([, name]) => name),
    scale([], names),
  )
})

test('an unknown argument is rejected before anything happens', () => {
  for (const args of [['--dryrun'], ['prepare', 'publish'], ['publish', '--dry-run']]) {
    const { status, stdout } = spawnSync(process.execPath, ['scripts/release.mjs', ...args], { cwd: root })
    assert.deepEqual([status, String(stdout)], [1, ''], args.join(' '))
  }
})

test('finds nothing missing in the workflow on a clean main, and names each missing condition', () => {
  const ready = {
    env: {
      GITHUB_ACTIONS: 'true',
      GITHUB_REF: 'refs/heads/main',
      GITHUB_SHA: 'c0ffee',
      GITHUB_SERVER_URL: 'https://github.com',
      GITHUB_REPOSITORY: 'owner/name',
      ACTIONS_ID_TOKEN_REQUEST_URL: 'https://token.example',
    },
    status: '',
    head: 'c0ffee',
    npm: '11.5.1',
    repository: 'git+https://github.com/owner/name.git',
    step: 'publish',
  }
  assert.deepEqual(listMissing(ready), [])
  assert.deepEqual(listMissing({ ...ready, npm: '10.9.3', env: { ...ready.env, NODE_AUTH_TOKEN: 'a token' } }), [])

  const cases: readonly (readonly [change: object, sentence: RegExp])[] = [
    [{ env: {} }, /laptop/],
    [{ env: { ...ready.env, GITHUB_REF: 'refs/heads/other' } }, /branch main/],
    [{ env: { ...ready.env, ACTIONS_ID_TOKEN_REQUEST_URL: undefined } }, /id-token: write/],
    [{ status: ' M package.json' }, /clean tree[^]* M package\.json/],
    [{ head: 'decaf' }, /commit/],
    [{ npm: '10.9.3' }, /NODE_AUTH_TOKEN/],
    [{ repository: 'git+https://example.com/owner/name.git' }, /package\.json/],
  ]
  for (const [change, sentence] of cases) assert.match(listMissing({ ...ready, ...change }).join('\n'), sentence)
})

test('the largest changeset determines the version of all packages', (context) => {
  const folder = createWorkspace(context, { version: '1.4.2' })
  const plan = (): unknown => evaluate(`JSON.stringify(readPlan(${JSON.stringify(folder)}).version ?? null)`)

  assert.equal(plan(), null)
  writeChangeset(folder, 'first', { core: 'patch' }, 'Fixes it.')
  assert.equal(plan(), '1.4.3')
  writeChangeset(folder, 'second', { client: 'minor', core: 'patch' }, 'Adds it.')
  assert.equal(plan(), '1.5.0')
  writeChangeset(folder, 'third', { core: 'major' }, 'Removes it.')
  assert.equal(plan(), '2.0.0')
})

test('rejects a changeset that names an unknown package, and names its file', (context) => {
  const folder = createWorkspace(context, { version: '1.4.2' })
  writeChangeset(folder, 'strange', { other: 'minor' }, 'Adds it.')

  assert.throws(() => evaluate(`readPlan(${JSON.stringify(folder)})`), /strange\.md: found @countersign\/other: minor/)
})

test('adds a section to the changelog with the unreleased entries and then the changesets', () => {
  const changelog = '# Changelog\n\n## Unreleased\n\n### Added\n\n- One.\n\n## 0.1.0 (2026-01-01)\n\n- Zero.\n'
  const changesets = [
    { type: 'patch', packages: ['@countersign/core'], summary: 'Fixes\ntwo.' },
    { type: 'minor', packages: ['@countersign/core', '@countersign/client'], summary: 'Adds three.' },
    { type: 'minor', packages: ['@countersign/core'], summary: '' },
  ]
  const facts = JSON.stringify({ version: '0.2.0', date: '2026-02-03', changesets })

  assert.equal(
    evaluate(`JSON.stringify(addSection(${JSON.stringify(changelog)}, ${facts}).text)`),
    `# Changelog

## Unreleased

## 0.2.0 (2026-02-03)

### Added

- One.

### Changes

- Adds three. (core, client)

### Fixes

- Fixes
  two. (core)

## 0.1.0 (2026-01-01)

- Zero.
`,
  )
})

test('parses every changeset of this workspace, and finds its place in the changelog', () => {
  assert.match(String(evaluate(`JSON.stringify(readPlan(${JSON.stringify(root)}).current)`)), /^\d+\.\d+\.\d+$/)
  assert.match(readFileSync(join(root, 'CHANGELOG.md'), 'utf8'), /^# Changelog\n[^]*^## Unreleased$/m)
})

function listMissing(facts: object): readonly unknown[] {
  const missing = evaluate(`JSON.stringify(listMissing(${JSON.stringify(facts)}))`)
  assert.ok(Array.isArray(missing))
  return missing
}

/** The value of an expression that uses the parts of the script. */
function evaluate(expression: string): unknown {
  const script = `
    import { readPlan } from './scripts/release/plan.mjs'
    import { addSection } from './scripts/release/changelog.mjs'
    import { listMissing } from './scripts/release/missing.mjs'
    process.stdout.write(${expression})
  `
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: root,
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout)
}

function createWorkspace(context: TestContext, { version }: { readonly version: string }): string {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-release-'))
  context.after(() => rmSync(folder, { recursive: true }))
  mkdirSync(join(folder, '.changeset'))
  for (const name of ['client', 'core']) {
    mkdirSync(join(folder, 'packages', name), { recursive: true })
    const manifest = { name: `@countersign/${name}`, version, repository: { url: 'git+https://example.com/x.git' } }
    writeFileSync(join(folder, 'packages', name, 'package.json'), JSON.stringify(manifest))
  }
  return folder
}

function writeChangeset(folder: string, name: string, releases: Readonly<Record<string, string>>, text: string): void {
  const lines = Object.entries(releases).map(([each, type]) => `'@countersign/${each}': ${type}\n`)
  writeFileSync(join(folder, '.changeset', `${name}.md`), `---\n${lines.join('')}---\n\n${text}\n`)
}

/** The state of the tree according to git, and the files that a release writes. */
function readTree(): readonly string[] {
  const git = (...args: readonly string[]): string => spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout
  const files = ['CHANGELOG.md', ...names.map((name) => `packages/${name}/package.json`)]
  return [
    git('status', '--porcelain'),
    git('tag', '--list'),
    readdirSync(join(root, '.changeset')).join(),
    ...files.map((file) => readFileSync(join(root, file), 'utf8')),
  ]
}
