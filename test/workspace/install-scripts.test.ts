import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const published = readdirSync(join(root, 'packages')).filter((name) =>
  existsSync(join(root, 'packages', name, 'package.json')),
)

for (const name of published) {
  test(`the dependencies of @countersign/${name} have no install scripts`, () => {
    const scripts = collectPackages(join(root, 'packages', name)).flatMap((folder) => listScripts(folder))
    assert.deepEqual(scripts, [])
  })
}

test('finds a package with an install script behind its dependents', () => {
  const scripts = collectPackages(find(join(root, 'test'), '@grpc/grpc-js')).flatMap((folder) => listScripts(folder))
  assert.equal(scripts.length, 1)
  assert.match(scripts[0] ?? '', /^protobufjs@7\S* postinstall: /)
})

test('checks the libraries behind every package', () => {
  const names = collectPackages(join(root, 'packages/testkit')).map((folder) => readManifest(folder).name)
  for (const name of ['@countersign/core', '@peculiar/x509', 'micromatch', 'braces', '@bufbuild/protobuf']) {
    assert.ok(names.includes(name), name)
  }
})

/** The folders of a package and of everything that npm installs with it. */
function collectPackages(folder: string, seen: Set<string> = new Set()): readonly string[] {
  if (seen.has(folder)) return []
  seen.add(folder)
  const { dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta } = readManifest(folder)
  const peers = Object.keys(peerDependencies).filter((name) => !isOptional(peerDependenciesMeta[name]))
  const names = [...Object.keys(dependencies), ...peers]
  const optional = Object.keys(optionalDependencies).filter((name) => !names.includes(name))
  const found = [
    ...names.map((name) => find(folder, name)),
    // Packages of other platforms are not installed here.
    ...optional.flatMap((name) => search(folder, name) ?? []),
  ]
  for (const each of found) collectPackages(each, seen)
  return [...seen]
}

function find(folder: string, name: string): string {
  const found = search(folder, name)
  assert.ok(found !== undefined, `${folder} has no ${name}`)
  return found
}

function search(folder: string, name: string): string | undefined {
  const candidate = join(folder, 'node_modules', name)
  if (existsSync(join(candidate, 'package.json'))) return realpathSync(candidate)
  return dirname(folder) === folder ? undefined : search(dirname(folder), name)
}

// What npm runs in the folder of a dependency; with a binding.gyp it runs node-gyp automatically.
function listScripts(folder: string): readonly string[] {
  const { name, version, scripts } = readManifest(folder)
  const found = ['preinstall', 'install', 'postinstall'].filter((script) => script in scripts)
  const hasBinding = existsSync(join(folder, 'binding.gyp'))
  return [
    ...found.map((script) => `${name}@${version} ${script}: ${String(scripts[script])}`),
    ...(hasBinding ? [`${name}@${version} binding.gyp`] : []),
  ]
}

interface Manifest {
  readonly name: string
  readonly version: string
  readonly scripts: Table
  readonly dependencies: Table
  readonly optionalDependencies: Table
  readonly peerDependencies: Table
  readonly peerDependenciesMeta: Table
}

type Table = Readonly<Record<string, unknown>>

function readManifest(folder: string): Manifest {
  const manifest = readTable(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')))
  return {
    name: String(manifest['name']),
    version: String(manifest['version']),
    scripts: readTable(manifest['scripts']),
    dependencies: readTable(manifest['dependencies']),
    optionalDependencies: readTable(manifest['optionalDependencies']),
    peerDependencies: readTable(manifest['peerDependencies']),
    peerDependenciesMeta: readTable(manifest['peerDependenciesMeta']),
  }
}

function readTable(value: unknown): Table {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

function isOptional(meta: unknown): boolean {
  return readTable(meta)['optional'] === true
}
