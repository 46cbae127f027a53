import assert from 'node:assert/strict'
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

for (const name of ['spiffe', 'authorization', 'core']) {
  test(`ARCHITECTURE.md names every folder and every file at the root of ${name}, and no others`, () => {
    const text = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8')
    const [, map = ''] = new RegExp(`^### packages/${name}/src$([^]*?)^###? `, 'm').exec(text) ?? []
    const named = [...map.matchAll(/^\| `([^`]+)` \|/gm)].map(([, entry = '']) => entry)
    const entries = readdirSync(join(root, 'packages', name, 'src'), { withFileTypes: true })
    const found = entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))

    assert.deepEqual(named.toSorted(), found.toSorted())
  })
}

test('ARCHITECTURE.md tells where to begin only by files that exist', () => {
  const text = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8')
  const sources = readdirSync(join(root, 'packages'))
    .map((name) => join(root, 'packages', name, 'src'))
    .flatMap((folder) => readdirSync(folder, { recursive: true, encoding: 'utf8' }))
  const named = [...text.matchAll(/`(?:[\w-]+\/)*([\w-]+\.ts)`/g)].map(([, name = '']) => name)
  const known = new Set([...sources, 'borders.test.ts'].map((path) => path.split(/[/\\]/).at(-1)))

  assert.ok(named.length > 0)
  assert.deepEqual(
    named.filter((name) => !known.has(name)),
    [],
  )
})

function readScripts(): readonly string[] {
  const manifest: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  assert.ok(typeof manifest === 'object' && manifest !== null && 'scripts' in manifest)
  return Object.keys(manifest.scripts ?? {})
}

/** Of every heading in a document; a comment in a shell block is none. */
function readAnchors(path: string): readonly string[] {
  const text = readFileSync(path, 'utf8').replaceAll(/^```[^]*?^```$/gm, '')
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => toAnchor(heading))
}

/** The anchor that GitHub gives a heading. */
function toAnchor(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} -]/gu, '')
    .replaceAll(' ', '-')
}
