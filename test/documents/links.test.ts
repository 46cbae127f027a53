import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'node:test'
import { root } from './page.ts'

const pages = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'))
const documents = [
  'README.md',
  'ARCHITECTURE.md',
  'SECURITY.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'CODE_OF_CONDUCT.md',
  '.changeset/README.md',
  ...readdirSync(join(root, 'packages')).map((name) => `packages/${name}/README.md`),
  ...pages.map((name) => `docs/${name}`),
  ...readdirSync(join(root, 'docs/contributing')).map((name) => `docs/contributing/${name}`),
]

for (const name of documents) {
  const text = readFileSync(join(root, name), 'utf8')

  test(`${name} links only to files and headings that exist`, () => {
    const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target)
    const broken = targets.filter((target) => {
      if (target.startsWith('https://')) return false
      const [file = '', anchor] = target.split('#')
      const path = file === '' ? join(root, name) : join(root, dirname(name), file)
      return !existsSync(path) || (anchor !== undefined && !readAnchors(path).includes(anchor))
    })

    assert.deepEqual(broken, [])
  })

  test(`${name} has no angle brackets outside of code, which the site would read as HTML`, () => {
    const prose = text.replaceAll(/^```[^]*?^```$/gm, '').replaceAll(/`[^`]*`/g, '')

    assert.deepEqual(prose.match(/<\/?[a-z]\S*/gi), null)
  })

  test(`${name} names only npm scripts that exist`, () => {
    const scripts = readScripts()
    const named = [...text.matchAll(/npm (?:run ([a-z:]+)|(start|test))\b/g)].map(([, run, own]) => run ?? own ?? '')

    assert.deepEqual(
      named.filter((script) => !scripts.includes(script)),
      [],
    )
  })
}

test('README.md links to every page of docs/', () => {
  const text = readFileSync(join(root, 'README.md'), 'utf8')

  assert.deepEqual(
    pages.filter((name) => !text.includes(`](docs/${name})`)),
    [],
  )
})

test('the sidebar of the site lists every page of docs/', () => {
  const text = readFileSync(join(root, 'docs/.vitepress/config.mjs'), 'utf8')

  assert.deepEqual(
    pages.filter((name) => !text.includes(`: '${name.slice(0, -'.md'.length)}'`)),
    [],
  )
})

test('every link between pages of the site leads to a page of the site', () => {
  const script = `
    import { readFileSync } from 'node:fs'
    import { mapLinks } from './docs/.vitepress/build/map-links.mjs'
    import { listFiles } from './docs/.vitepress/build/stage-pages.mjs'
    for (const file of [...listFiles(), 'docs/.vitepress/home.md']) {
      mapLinks(readFileSync(file, 'utf8'), file.replace('docs/.vitepress/home.md', 'README.md'))
    }`
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: root,
    encoding: 'utf8',
  })

  assert.equal(status, 0, stderr)
})

for (const name of ['spiffe', 'authorization', 'core']) {
  test(`ARCHITECTURE.md names exactly the folders and root files of ${name}`, () => {
    const text = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8')
    const [, map = ''] = new RegExp(`^### packages/${name}/src$([^]*?)^###? `, 'm').exec(text) ?? []
    const named = [...map.matchAll(/^\| `([^`]+)` \|/gm)].map(([, entry = '']) => entry)
    const entries = readdirSync(join(root, 'packages', name, 'src'), { withFileTypes: true })
    const found = entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))

    assert.deepEqual(named.toSorted(), found.toSorted())
  })
}

test('every path in ARCHITECTURE.md exists', () => {
  const missing: string[] = []
  let count = 0
  let owner = ''
  for (const line of readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8').split('\n')) {
    const [, heading] = /^##+ (.*)$/.exec(line) ?? []
    // Below a heading that names a package, paths may be relative to its sources; in a table, to what the row begins with.
    if (heading !== undefined) owner = /^(?:packages\/|Decisions in )([\w-]+)/.exec(heading)?.[1] ?? ''
    const [, row = owner] = /^\| `packages\/([\w-]+)\/src` \|/.exec(line) ?? []
    const [, folder = ''] = /^\| `([\w-]+\/)` \|/.exec(line) ?? []
    for (const [, path = ''] of line.matchAll(/`((?:[\w.-]+\/)+[\w.-]*|[\w-]+\.(?:ts|mjs|md|proto))`/g)) {
      count += 1
      const places = [path, `packages/${path}`, `packages/${row}/src/${path}`, `packages/${row}/src/${folder}${path}`]
      if (!places.some((place) => existsSync(join(root, place)))) missing.push(path)
    }
  }

  assert.ok(count > 200, String(count))
  assert.deepEqual(missing, [])
})

test('every decision in ARCHITECTURE.md names its files', () => {
  const text = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8')
  const decisions = text
    .slice(text.indexOf('### Decisions in '))
    .split(/^(?=\*\*)/m)
    .slice(1)

  assert.ok(decisions.length > 30)
  assert.deepEqual(
    decisions
      .filter((decision) => !/^See `[^`]+`(?:, `[^`]+`)*\.$/m.test(decision))
      .map((decision) => decision.slice(0, 60)),
    [],
  )
})

function readScripts(): readonly string[] {
  const manifest: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  assert.ok(typeof manifest === 'object' && manifest !== null && 'scripts' in manifest)
  return Object.keys(manifest.scripts ?? {})
}

/** The anchors of all headings of a document; a comment in a shell block is not a heading. */
function readAnchors(path: string): readonly string[] {
  const text = readFileSync(path, 'utf8').replaceAll(/^```[^]*?^```$/gm, '')
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => toAnchor(heading))
}

/** The anchor that GitHub generates for a heading. */
function toAnchor(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
    .replaceAll(' ', '-')
}
