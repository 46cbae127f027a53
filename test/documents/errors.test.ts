import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { createDenial, type DenialReason } from '../../packages/authorization/src/denial.ts'
import { readPage, root } from './page.ts'
import { asObject, read } from './read.ts'

interface Group {
  readonly title: string
  readonly entries: ReadonlyMap<string, unknown>
  /** The unions whose members the group lists, by the file that declares them. */
  readonly unions: ReadonlyMap<string, readonly string[]>
  /** Files and folders whose sources also contain reasons as plain text. */
  readonly literals: readonly string[]
}

const groups = readGroups()
const page = readPage('docs/errors.md')

test('docs/errors.md matches the output of scripts/errors.mjs', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/errors.mjs', '--print'], {
    cwd: root,
    encoding: 'utf8',
  })

  assert.equal(status, 0, stderr)
  assert.equal(page.text, stdout, 'run npm run docs:errors and commit docs/errors.md')
})

for (const { title, entries, unions, literals } of groups) {
  test(`the section ${title} explains exactly the codes of its unions`, () => {
    const declared = [...unions].flatMap(([file, names]) => names.flatMap((name) => readUnion(file, name)))
    const codes = new Set([...declared, ...literals.flatMap(readReasons)])

    assert.ok(codes.size > 0)
    assert.deepEqual([...entries.keys()].toSorted(), [...codes].toSorted())
  })

  test(`each entry of the section ${title} has a cause and a remedy`, () => {
    for (const [code, entry] of entries) {
      for (const name of ['cause', 'remedy']) assert.match(String(read(entry, name)), /^[^]+\.$/, `${code}: ${name}`)
    }
  })
}

test('the sections cover every union of codes and reasons that a package exports', () => {
  const covered = new Set(groups.flatMap(({ unions }) => [...unions.values()].flat()))
  const exported = readSources('packages').flatMap(({ text }) =>
    [...text.matchAll(/^(?:export )?type (\w+(?:ErrorCode|DenialCode|Reason|Refusal)) =/gm)].map(
      ([, name = '']) => name,
    ),
  )

  assert.ok(exported.length > 10)
  assert.deepEqual(
    exported.filter((name) => !covered.has(name) && !parts.has(name)),
    [],
  )
})

test('explains every reason that core and client return as plain text', () => {
  const explained = new Set(groups.flatMap(({ entries }) => [...entries.keys()]))
  const reasons = ['packages/core/src', 'packages/client/src'].flatMap(readReasons)

  assert.ok(reasons.length > 10)
  assert.deepEqual(
    reasons.filter((reason) => reason.includes('_') && !explained.has(reason)),
    [],
  )
})

/** Unions that are part of another one, or whose members are never reported under their own name. */
const parts: ReadonlySet<string> = new Set([
  'CountersignErrorCode',
  'EscapeRefusal',
  'PeerRefusal',
  'RequirementReason',
  'SignatureRefusal',
  'SpiffeErrorCode',
  'TargetReason',
])

test('explains each reason of a denial with its status and code', () => {
  const entries = groups.find(({ title }) => title === 'Denied requests')?.entries ?? new Map<string, unknown>()

  for (const [reason, entry] of entries) {
    assert.ok(isDenialReason(reason))
    const { status, code } = createDenial(reason, '')
    assert.equal(read(entry, 'answer'), `${status} \`${code}\``, reason)
  }
})

function isDenialReason(name: string): name is DenialReason {
  return readUnion('packages/authorization/src/denial.ts', 'DenialReason').includes(name)
}

function readGroups(): readonly Group[] {
  const texts: unknown = JSON.parse(readFileSync(join(root, 'scripts/errors/texts.json'), 'utf8'))
  assert.ok(Array.isArray(texts))
  return texts.map((group: unknown) => ({
    title: String(read(group, 'title')),
    entries: new Map(Object.entries(asObject(read(group, 'entries')))),
    unions: new Map(Object.entries(asObject(read(group, 'unions'))).map(([file, names]) => [file, toTexts(names)])),
    literals: 'literals' in asObject(group) ? toTexts(read(group, 'literals')) : [],
  }))
}

function toTexts(value: unknown): readonly string[] {
  assert.ok(Array.isArray(value))
  return value.map(String)
}

/** The members of a union of literals, including those of the unions that it names. */
function readUnion(file: string, name: string): readonly string[] {
  const text = readFileSync(join(root, file), 'utf8')
  const [, body] = new RegExp(`^(?:export )?type ${name} =([^]+?)\\n\\n`, 'm').exec(text) ?? []
  assert.ok(body !== undefined, `${file} declares no type ${name}`)
  const members = body
    .replaceAll(/\/\*\*.*\*\//g, '')
    .split('|')
    .map((member) => member.trim())
  return members
    .filter((member) => member !== '')
    .flatMap((member) =>
      member.startsWith("'") ? [member.slice(1, -1)] : readUnion(findDeclaration(file, text, member), member),
    )
}

function findDeclaration(file: string, text: string, name: string): string {
  const [, path] = new RegExp(`import [^;]*?\\b${name}\\b[^']*'(\\.[^']+)'`).exec(text) ?? []
  return path === undefined ? file : join(file, '..', path)
}

/**
 * The reasons that sources contain as text: `reason: 'x'`, `reason = 'x'`, `refuse('x', …)`, and constants that are
 * exported.
 */
function readReasons(path: string): readonly string[] {
  return readSources(path).flatMap(({ text }) =>
    [...text.matchAll(/(?:\breason(?:: | = )|\brefuse\(|^export const \w+ = )'([a-z_]+)'/gm)].map(
      ([, reason = '']) => reason,
    ),
  )
}

function readSources(path: string): readonly { readonly text: string }[] {
  if (path.endsWith('.ts')) return [{ text: readFileSync(join(root, path), 'utf8') }]
  return readdirSync(join(root, path), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !/(?:^|[/\\])(?:dist|node_modules)[/\\]/.test(name))
    .map((name) => ({ text: readFileSync(join(root, path, name), 'utf8') }))
}
