import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { posix } from 'node:path'
import test from 'node:test'
import { findImports, type Import, packages, readSources } from './read-sources.ts'

// The folders of a package in order: each imports only folders to its left.
const folders: Readonly<Record<string, readonly string[]>> = {
  spiffe: ['spiffe-id', 'certificate', 'trust', 'svid', 'subject', 'source', 'jwt'],
  core: ['connection', 'credential', 'principal', 'authorizer', 'migration', 'outgoing', 'decision-log'],
  policy: ['yaml', 'schema', 'document', 'worker', 'files', 'opa'],
}

// The root files of a package that all its folders may import; they need no folder at run time themselves.
const shared: Readonly<Record<string, readonly string[]>> = {
  spiffe: ['errors.ts', 'options.ts'],
  core: ['errors.ts', 'events.ts'],
  policy: ['policy-document.ts'],
}

// The packages of Countersign that each package imports.
const layers: Readonly<Record<string, readonly string[]>> = {
  spiffe: [],
  authorization: ['@countersign/spiffe/id', '@countersign/spiffe/options'],
  core: [
    '@countersign/authorization',
    '@countersign/spiffe',
    '@countersign/spiffe/internal',
    '@countersign/spiffe/jwt',
    '@countersign/spiffe/options',
  ],
  policy: [
    '@countersign/authorization',
    '@countersign/spiffe',
    '@countersign/spiffe/id',
    '@countersign/spiffe/internal',
    '@countersign/spiffe/options',
  ],
  fastify: ['@countersign/core', '@countersign/core/adapter'],
  express: ['@countersign/core', '@countersign/core/adapter'],
  client: ['@countersign/core', '@countersign/core/adapter'],
  'workload-api': [
    '@countersign/spiffe',
    '@countersign/spiffe/internal',
    '@countersign/spiffe/jwt',
    '@countersign/spiffe/options',
  ],
  testkit: [
    '@countersign/core',
    '@countersign/core/testing',
    '@countersign/spiffe',
    '@countersign/spiffe/jwt',
    '@countersign/spiffe/options',
    '@countersign/workload-api',
    '@countersign/workload-api/wire',
  ],
  cli: [
    '@countersign/client',
    '@countersign/core',
    '@countersign/core/decision-log',
    '@countersign/policy',
    '@countersign/policy/internal',
    '@countersign/spiffe',
    '@countersign/spiffe/options',
    '@countersign/testkit',
    '@countersign/testkit/workload-api',
    '@countersign/workload-api',
  ],
}

// Each library has one importing file, its door; a name that ends in a slash is a folder of which every file is one. A
// framework does not count as a library here: adapters may import its types anywhere, but only its types.
const doors: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  client: { undici: 'fetch/' },
  cli: { commander: 'command-line.ts', picocolors: 'output/screen.ts' },
  authorization: { '#lazy': 'pattern.ts' },
  core: { 'structured-headers': 'credential/forwarded/client-cert.ts' },
  express: {},
  fastify: { 'fastify-plugin': 'plugin.ts' },
  policy: { '#validator': 'schema/find-faults.ts', '#worker': 'worker/run-worker.ts', 'js-yaml': 'yaml/' },
  spiffe: {
    '#lazy': 'certificate/decode.ts',
    jose: 'jwt/verify-signature.ts',
    'node-forge': 'source/key-store/decrypt-rc2.ts',
  },
  testkit: {
    '@peculiar/x509': 'sign-certificate.ts',
    'reflect-metadata': 'sign-certificate.ts',
  },
  'workload-api': { '@bufbuild/protobuf': 'wire/message-codec.ts' },
}

const frameworks: Readonly<Record<string, readonly string[]>> = {
  express: ['express', 'express-serve-static-core'],
  fastify: ['fastify'],
  testkit: ['fastify'],
}

const longest = 300

for (const [name, order] of Object.entries(folders)) {
  test(`a folder of ${name} imports only the folders to its left`, () => {
    const sources = readSources(name)
    const wrong = sources.flatMap((source) =>
      source.imports.flatMap((found) => crossedBorder(name, source.file, found)),
    )

    assert.deepEqual(wrong, [])
    const found = new Set(sources.flatMap(({ file }) => file.split('/').slice(0, -1).slice(0, 1)))
    assert.deepEqual([...found].toSorted(), order.toSorted(), 'a folder has its place in the order of this test')
  })
}

test('a package imports only the packages below it', () => {
  for (const [name, expected] of Object.entries(layers)) {
    const specifiers = readSources(name).flatMap(({ imports }) => imports.map(({ specifier }) => specifier))
    const found = new Set(specifiers.filter((specifier) => specifier.startsWith('@countersign/')))
    assert.deepEqual([...found].toSorted(), expected.toSorted(), name)
  }
})

test('authorization, and the names of spiffe, import nothing from Node', () => {
  const pure = [
    ...readSources('authorization'),
    ...readSources('spiffe').filter(({ file }) => /^(?:id|errors|options)\.ts$|^spiffe-id\//.test(file)),
  ]
  const found = pure.flatMap(({ file, imports }) =>
    imports.filter(({ specifier }) => specifier.startsWith('node:')).map(({ specifier }) => `${file}: ${specifier}`),
  )
  assert.deepEqual(found, [])
})

test('the border rule distinguishes a violation from a permitted import', () => {
  const crossings: readonly (readonly [file: string, specifier: string, typeOnly: boolean, allowed: boolean])[] = [
    ['svid/verify.ts', '../certificate/decode.ts', false, true],
    ['svid/verify.ts', './path.ts', false, true],
    ['svid/verify.ts', '../errors.ts', false, true],
    ['svid/verify.ts', '../source/files.ts', false, false],
    ['svid/verify.ts', '../source/files.ts', true, false],
    ['svid/verify.ts', '../guard.ts', true, false],
    ['svid/verify.ts', '../index.ts', true, false],
    ['svid/verify.ts', '../../../fastify/src/index.ts', true, false],
    ['svid/deep/er.ts', '../../source/static.ts', false, false],
    ['svid/deep/er.ts', '../../trust/bundle.ts', false, true],
    ['guard.ts', './svid/verify.ts', false, true],
    ['index.ts', './guard.ts', false, true],
    ['errors.ts', './svid/verify.ts', false, false],
    ['options.ts', './svid/verify.ts', true, true],
  ]
  for (const [file, specifier, typeOnly, allowed] of crossings) {
    assert.equal(
      crossedBorder('spiffe', file, { specifier, typeOnly }).length === 0,
      allowed,
      `${file} importing ${specifier}`,
    )
  }
})

test('detects every form of import', () => {
  const source = [
    "import 'side-effect'",
    "import one from 'one'",
    'import {\n  two,\n  three,\n} from "two"',
    "import type { Four } from 'four'",
    "export * from './five.ts'",
    "export type { Six } from './six.ts'",
    "const seven = await import('seven')",
    "function eight(): import('eight').Eight { return require('nine') }",
    "/** import no from 'comment' */",
    " * import no from 'comment'",
    "// import no from 'comment'",
    "const text = 'export'",
    "export const from = 'text'",
    "declare module 'ten' {}",
  ].join('\n')

  assert.deepEqual(
    findImports(source).toSorted((a, b) => (a.specifier < b.specifier ? -1 : 1)),
    [
      { specifier: './five.ts', typeOnly: false },
      { specifier: './six.ts', typeOnly: true },
      { specifier: 'eight', typeOnly: false },
      { specifier: 'four', typeOnly: true },
      { specifier: 'nine', typeOnly: false },
      { specifier: 'one', typeOnly: false },
      { specifier: 'seven', typeOnly: false },
      { specifier: 'side-effect', typeOnly: false },
      { specifier: 'ten', typeOnly: true },
      { specifier: 'two', typeOnly: false },
    ],
  )
})

for (const [name, own] of Object.entries(doors)) {
  test(`each library of @countersign/${name} is imported only by its door`, () => {
    const importers = new Map<string, Set<string>>()
    for (const { file, imports } of readSources(name)) {
      for (const { specifier, typeOnly } of imports) {
        const library = libraryOf(specifier)
        if (library === undefined || (typeOnly && frameworks[name]?.includes(library))) continue
        importers.set(library, (importers.get(library) ?? new Set()).add(doorOf(file, own[library])))
      }
    }
    const found = Object.fromEntries([...importers].map(([library, files]) => [library, [...files].toSorted()]))
    const expected = Object.fromEntries(Object.entries(own).map(([library, door]) => [library, [door]]))

    assert.deepEqual(found, expected, 'a library has exactly the door that the table at the top of this test names')
  })
}

test("the testkit's main entry loads nothing of its embedded Workload API", () => {
  const crossings = readSources('testkit')
    .filter(({ file }) => !file.startsWith('workload-api/'))
    .flatMap(({ imports }) => imports.map(({ specifier }) => specifier))
    .filter((specifier) => specifier.startsWith('./workload-api/') || specifier.startsWith('@countersign/workload-api'))

  assert.deepEqual(crossings, [])
})

test(`no source file is longer than ${longest} lines`, () => {
  const names = Object.keys(doors)
  const long = names.flatMap((name) =>
    readSources(name)
      .filter(({ lines }) => lines > longest)
      .map(({ file, lines }) => `packages/${name}/src/${file}: ${lines} lines; there are two files in it`),
  )
  assert.deepEqual(long, [])
})

test('every package is named in the table of doors', () => {
  assert.deepEqual(readdirSync(packages).toSorted(), Object.keys(doors).toSorted())
})

function crossedBorder(name: string, file: string, { specifier, typeOnly }: Import): readonly string[] {
  if (!specifier.startsWith('.')) return []
  const target = posix.normalize(posix.join(posix.dirname(file), specifier))
  const what = `packages/${name}/src/${file} imports ${specifier}`
  if (target.startsWith('..')) return [`${what}, which is outside packages/${name}/src`]
  const common = shared[name] ?? []
  if (common.includes(target)) return []
  const to = placeOf(name, target)
  if (common.includes(file)) return typeOnly ? [] : [`${what}, but every folder may import ${file}: a circle`]
  const from = placeOf(name, file)
  if (from === undefined) return []
  if (to === undefined) return [`${what}, but a folder imports only ${common.join(', ')} of the files at the root`]
  return to > from ? [`${what}, which is to the right of it`] : []
}

/** A folder's position from left to right; undefined for a root file. */
function placeOf(name: string, file: string): number | undefined {
  if (!file.includes('/')) return undefined
  const order = folders[name] ?? []
  const place = order.indexOf(file.split('/')[0] ?? '')
  return place === -1 ? order.length : place
}

/** The door that a file belongs to if that is a folder, otherwise the file itself. */
function doorOf(file: string, door: string | undefined): string {
  return door?.endsWith('/') === true && file.startsWith(door) ? door : file
}

function libraryOf(specifier: string): string | undefined {
  if (/^(?:\.|node:|@countersign\/)/.test(specifier)) return undefined
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}
