import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const names = readdirSync(join(root, 'packages'))
const workspace = readManifest('.')

for (const name of names) {
  const manifest = readManifest(`packages/${name}`)

  test(`@countersign/${name} has the metadata that a registry shows`, () => {
    assert.equal(manifest['name'], `@countersign/${name}`)
    assert.equal(manifest['license'], 'Apache-2.0')
    assert.deepEqual(manifest['engines'], workspace['engines'])
    assert.deepEqual(manifest['files'], [
      'bundle',
      ...(name === 'cli' ? [] : ['dist/**/*.d.ts']),
      ...(name === 'core' ? ['decision-log.schema.json'] : []),
      ...(name === 'workload-api' ? ['proto'] : []),
      ...(name === 'policy' ? ['schema.json'] : []),
      ...(name === 'spiffe' || name === 'authorization' ? ['lazy'] : []),
      'README.md',
      'LICENSE',
    ])
  })

  test(`@countersign/${name} publishes bundled code for each entry`, () => {
    const { exports, bin } = manifest
    const bundled: unknown = JSON.parse(
      JSON.stringify({ access: 'public', bin, exports: name === 'cli' ? undefined : exports }).replaceAll(
        /dist\/([^"]+)\.js"/g,
        'bundle/$1.js"',
      ),
    )
    assert.deepEqual(manifest['publishConfig'], bundled)
  })

  test(`@countersign/${name} has a description of one line and sorted keywords`, () => {
    const { description, keywords } = manifest
    assert.ok(typeof description === 'string' && /^[A-Z].{20,150}[^.]$/.test(description), String(description))
    assert.ok(Array.isArray(keywords) && keywords.length >= 5 && keywords.includes('spiffe'))
    const words = keywords.map(String)
    assert.deepEqual(
      words,
      [...new Set(words)].toSorted((one, other) => (one < other ? -1 : 1)),
    )
  })

  test(`@countersign/${name} names its repository, home page and issue tracker`, () => {
    // All packages are in one repository, whatever its address is.
    const home = repositoryOf(readManifest('packages/core'))
    assert.deepEqual(manifest['repository'], {
      type: 'git',
      url: `git+${home}.git`,
      directory: `packages/${name}`,
    })
    assert.equal(manifest['homepage'], `${home}/tree/main/packages/${name}#readme`)
    assert.deepEqual(manifest['bugs'], { url: `${home}/issues` })
  })
}

test('all packages have one version', () => {
  const versions = names.map((name) => readManifest(`packages/${name}`)['version'])
  assert.ok(names.length > 0)
  assert.equal(new Set(versions).size, 1, versions.join())
})

function repositoryOf({ repository }: Readonly<Record<string, unknown>>): string {
  assert.ok(typeof repository === 'object' && repository !== null && 'url' in repository)
  const [, home] = /^git\+(https:\/\/.+)\.git$/.exec(String(repository.url)) ?? []
  assert.ok(home !== undefined, String(repository.url))
  return home
}

function readManifest(folder: string): Readonly<Record<string, unknown>> {
  const manifest: unknown = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
  assert.ok(typeof manifest === 'object' && manifest !== null)
  return Object.fromEntries(Object.entries(manifest))
}
