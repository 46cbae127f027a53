import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { billing, parseOutput, runPolicy, service, writeFiles } from './policy-documents.ts'
import { runCommand } from './run-command.ts'

describe('policy check', () => {
  test('accepts valid documents, as a process', async (t) => {
    const path = writeFiles(t, { 'p/billing.yaml': billing, 'p/more.json': '{"version":1,"policies":[]}' })
    const { exitCode, output, errors } = await runCommand(['policy', 'check', path('p')])

    assert.equal(errors, '')
    assert.equal(output, '2 documents: 0 errors, 0 warnings\n')
    assert.equal(exitCode, 0)
  })

  test('reports every error with its place, as a process', async (t) => {
    const path = writeFiles(t, { 'bad.yaml': 'version: 1\nrules:\n  - path: /x\n    alow: { denyAll: true }\n' })
    const { exitCode, output } = await runCommand(['policy', 'check', path('bad.yaml')])

    assert.equal(exitCode, 1)
    assert.match(output, /^bad\.yaml:4:5: rules\[0\]\.alow: .*did you mean 'allow'\?$/m)
    assert.match(output, /^1 document: \d+ errors, 0 warnings\n$/m)
  })

  test('reports a contradiction between documents, and bytes that are not text', async (t) => {
    const path = writeFiles(t, { 'p/a.yaml': billing, 'p/b.yaml': billing })
    const { exitCode, output } = await runPolicy('check', path('p'))

    assert.equal(exitCode, 1)
    assert.match(output, /^b\.yaml:3:5: .*rules in only one document/m)
    assert.match(output, /^b\.yaml:9:5: .*second policy 'no partners'/m)
  })

  test('exits with 1 for warnings only with --strict', async (t) => {
    const path = writeFiles(t, {
      'open.yaml': 'version: 1\npolicies:\n  - name: open\n    action: ALLOW\n',
    })
    const lenient = await runPolicy('check', path('open.yaml'))
    const strict = await runPolicy('check', path('open.yaml'), '--strict')

    assert.equal(lenient.exitCode, 0)
    assert.match(lenient.output, /^open\.yaml:3:5: warning: policy 'open': .*\(allow_everything\)$/m)
    assert.equal(strict.exitCode, 1)
    assert.equal(strict.output, lenient.output)
  })

  test('finds a rule that no caller of the service can meet, with --as', async (t) => {
    const text = 'version: 1\nrules:\n  - path: /x\n    allow: { inTrustDomain: [other.example] }\n'
    const path = writeFiles(t, { 'x.yaml': text })

    assert.equal((await runPolicy('check', path('x.yaml'))).exitCode, 0)
    const { exitCode, output } = await runPolicy('check', path('x.yaml'), ...service)
    assert.equal(exitCode, 1)
    assert.match(output, /^x\.yaml:3:5: rules\[0\]\.allow.*other\.example/m)
  })

  test('prints one JSON object with --json', async (t) => {
    const path = writeFiles(t, { 'bad.yaml': 'version: 2\n' })
    const { exitCode, output, errors } = await runPolicy('check', path('bad.yaml'), '--json')

    assert.equal(exitCode, 1)
    assert.equal(errors, '')
    const { event, problems, revision } = parseOutput(output)
    assert.equal(event, 'check')
    assert.match(String(revision), /^sha256:[0-9a-f]{64}$/)
    assert.ok(Array.isArray(problems) && problems.length > 0)
  })

  test('exits with 2 if a file cannot be read', async (t) => {
    const { exitCode, output, errors } = await runPolicy('check', writeFiles(t, {})('missing.yaml'))

    assert.equal(exitCode, 2)
    assert.equal(output, '')
    assert.match(errors, /^countersign: .*missing\.yaml.*\n$/)
  })
})

describe('policy convert', () => {
  const module = "export default { rules: [{ path: '/x', allow: { authenticated: true } }], source: {} }\n"

  test('writes a document that is valid, as a process', async (t) => {
    const path = writeFiles(t, { 'options.mjs': module })
    const { exitCode, output, errors } = await runCommand(['policy', 'convert', path('options.mjs')])
    const written = writeFiles(t, { 'x.yaml': output })

    assert.equal(errors, '')
    assert.equal(exitCode, 0)
    assert.match(output, /^version: 1\nrules:\n {2}- path: \/x\n/)
    assert.equal((await runPolicy('check', written('x.yaml'))).exitCode, 0)
  })

  test('writes JSON with --json', async (t) => {
    const policies = "export const policies = [{ name: 'a', action: 'DENY' }]\n"
    const path = writeFiles(t, { 'policies.mjs': policies })
    const { output } = await runPolicy('convert', path('policies.mjs'), '--json')

    assert.deepEqual(parseOutput(output), { version: 1, policies: [{ name: 'a', action: 'DENY' }] })
  })

  test('writes invisible characters so that the document has them', async (t) => {
    const policies = String.raw`export const policies = [{ name: 'a\u200bb', action: 'DENY', to: [{ paths: ['/a\u00adb'] }] }]`
    const path = writeFiles(t, { 'policies.mjs': policies })
    const { output } = await runPolicy('convert', path('policies.mjs'))
    const written = writeFiles(t, { 'x.yaml': output })
    const checked = await runPolicy('check', written('x.yaml'), '--json')

    assert.doesNotMatch(output, /[^ -~\n]/)
    assert.match(checked.output, /"policy":"a\\u200bb"/)
    assert.match(checked.output, /'\/a\\u00adb' does not match/)
  })

  test('exits with 1 for what exists only in code', async (t) => {
    const path = writeFiles(t, { 'rules.mjs': "export const rules = [{ path: '/x', allow: { perRoute: true } }]\n" })
    const { exitCode, output, errors } = await runCommand(['policy', 'convert', path('rules.mjs')])

    assert.equal(exitCode, 1)
    assert.equal(output, '')
    assert.match(errors, /^countersign: rules\[0\]\.allow: found perRoute\(\)/)
  })

  for (const [what, text] of Object.entries({
    'a module that throws': "throw new Error('no')\n",
    'a module without rules': 'export const other = []\n',
    'rules that are not a list': 'export const rules = {}\n',
  })) {
    test(`refuses ${what} with exit code 2`, async (t) => {
      const { exitCode, output, errors } = await runPolicy('convert', writeFiles(t, { 'x.mjs': text })('x.mjs'))

      assert.equal(exitCode, 2)
      assert.equal(output, '')
      assert.match(errors, /^countersign: .+\n$/)
    })
  }
})
