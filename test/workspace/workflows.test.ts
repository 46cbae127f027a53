import assert from 'node:assert/strict'
import { accessSync, constants, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'

const root = fileURLToPath(new URL('../..', import.meta.url))
const manifest = readRecord(JSON.parse(read('package.json')))
const files = readdirSync(join(root, '.github'), { recursive: true, encoding: 'utf8' })
  .map((file) => `.github/${file.replaceAll('\\', '/')}`)
  .filter((file) => file.endsWith('.yml'))
const workflows = files.filter((file) => file.startsWith('.github/workflows/'))

test('CI, the nightly run and the release exist', () => {
  assert.deepEqual(
    workflows.map((file) => file.split('/').at(-1)),
    ['ci.yml', 'nightly.yml', 'release.yml'],
  )
})

for (const file of files) {
  test(`${file} is YAML without a duplicate key`, () => {
    assert.ok(Object.keys(readYaml(file)).length > 0)
  })
}

for (const file of workflows) {
  test(`${file} runs only existing npm scripts and files`, () => {
    const scripts = Object.keys(readRecord(manifest['scripts']))
    const commands = stepsOf(file).flatMap(({ run }) => (typeof run === 'string' ? [run] : []))
    assert.ok(commands.length > 0)
    for (const command of commands) {
      for (const [, run, own] of command.matchAll(/\bnpm (?:run ([\w:]+)|(\w+))/g)) {
        assert.ok(scripts.includes(run ?? own ?? ''), command)
      }
      if (command.startsWith('.')) accessSync(join(root, command), constants.X_OK)
    }
  })

  test(`${file} uses only the two actions of GitHub, by major version`, () => {
    const used = stepsOf(file).flatMap(({ uses }) => (typeof uses === 'string' ? [uses] : []))
    assert.ok(used.length > 0)
    assert.deepEqual(
      used.filter((each) => !/^actions\/(?:checkout|setup-node)@v\d+$/.test(each)),
      [],
    )
  })

  test(`${file} has time limits, and supported versions of Node.js`, () => {
    for (const job of jobsOf(file)) assert.ok(Number(job['timeout-minutes']) > 0)
    const versions = stepsOf(file).flatMap((step) => ('with' in step ? [readRecord(step['with'])['node-version']] : []))
    const named = versions.filter((version) => version !== undefined && version !== '${{ matrix.node }}')
    assert.deepEqual(
      named.filter((version) => !readMajors().includes(String(version))),
      [],
    )
  })
}

test('CI runs .ci/run on every supported Node.js', () => {
  const [job] = jobsOf('.github/workflows/ci.yml')
  const { node } = readRecord(readRecord(readRecord(job)['strategy'])['matrix'])
  const majors = readMajors()

  assert.deepEqual(node, majors.map(Number))
  assert.ok(stepsOf('.github/workflows/ci.yml').some(({ run }) => run === '.ci/run'))
  assert.equal(readRecord(manifest['engines'])['node'], `>=${majors[0]}.19`)
  const listed = `Node.js ${majors.slice(0, -1).join(', ')} and ${majors.at(-1)}`
  assert.ok(read('CONTRIBUTING.md').includes(listed), listed)
})

test('the nightly run includes what takes too long for CI', () => {
  const commands = stepsOf('.github/workflows/nightly.yml').flatMap(({ run }) => (run === undefined ? [] : [run]))

  assert.deepEqual(commands, ['npm run mutate', 'npm run test:long', 'npm run bench -- --quick'])
})

test('only a release may write, and only its publishing step may sign', () => {
  for (const file of workflows) {
    const { permissions } = readYaml(file)
    assert.deepEqual(permissions, file.endsWith('release.yml') ? {} : { contents: 'read' }, file)
  }
  const [prepare, publish] = jobsOf('.github/workflows/release.yml').map(({ permissions }) => permissions)
  assert.deepEqual(prepare, { contents: 'write', 'pull-requests': 'write' })
  assert.deepEqual(publish, { contents: 'write', 'id-token': 'write' })
})

test('a checkout keeps no token where nothing is written', () => {
  for (const file of ['.github/workflows/ci.yml', '.github/workflows/nightly.yml']) {
    const checkouts = stepsOf(file).filter(({ uses }) => String(uses).startsWith('actions/checkout@'))
    assert.ok(checkouts.length > 0)
    for (const step of checkouts) assert.deepEqual(step['with'], { 'persist-credentials': false })
  }
})

test('a vulnerability report is directed to SECURITY.md, and an issue starts with a form', () => {
  const config = readYaml('.github/ISSUE_TEMPLATE/config.yml')
  assert.equal(config['blank_issues_enabled'], false)
  const [contact] = readList(config['contact_links'])
  const home = String(readRecord(JSON.parse(read('packages/core/package.json')))['homepage']).split('/tree/')[0]
  assert.equal(readRecord(contact)['url'], `${home}/security/policy`)

  for (const name of ['bug', 'feature']) {
    const { name: title, description, body } = readYaml(`.github/ISSUE_TEMPLATE/${name}.yml`)
    assert.ok(typeof title === 'string' && typeof description === 'string')
    const fields = readList(body).map((field) => readRecord(field))
    const ids = fields.flatMap(({ id }) => (id === undefined ? [] : [id]))
    assert.ok(ids.length >= 3)
    assert.equal(new Set(ids).size, ids.length)
    for (const { type, attributes } of fields) {
      assert.ok(type === 'markdown' || 'label' in readRecord(attributes), name)
    }
  }
})

test('dependencies and actions are updated', () => {
  const updates = readList(readYaml('.github/dependabot.yml')['updates']).map((update) => readRecord(update))

  assert.deepEqual(
    updates.map((update) => [update['package-ecosystem'], update['directory']]),
    [
      ['npm', '/'],
      ['github-actions', '/'],
    ],
  )
})

/** The versions of `npm run test:matrix`. */
function readMajors(): readonly string[] {
  const [, list = ''] = /^const majors = \[(.+)\]$/m.exec(read('scripts/matrix.mjs')) ?? []
  const majors = [...list.matchAll(/\d+/g)].map(([major]) => major)
  assert.ok(majors.length > 1)
  return majors
}

type Fields = Readonly<Record<string, unknown>>

function stepsOf(file: string): readonly Fields[] {
  return jobsOf(file).flatMap(({ steps }) => readList(steps).map((step) => readRecord(step)))
}

function jobsOf(file: string): readonly Fields[] {
  return Object.values(readRecord(readYaml(file)['jobs'])).map((job) => readRecord(job))
}

function readYaml(file: string): Fields {
  return readRecord(parse(read(file), { strict: true, uniqueKeys: true }))
}

function readList(value: unknown): readonly unknown[] {
  assert.ok(Array.isArray(value))
  return value
}

function readRecord(value: unknown): Fields {
  assert.ok(typeof value === 'object' && value !== null && !Array.isArray(value))
  return Object.fromEntries(Object.entries(value))
}

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8')
}
