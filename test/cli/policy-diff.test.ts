import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  billing,
  coreApi,
  logLine,
  parseOutput,
  runPolicy,
  runPolicyOn,
  service,
  web,
  writeFiles,
} from './policy-documents.ts'
import { runCommand } from './run-command.ts'

const refused = { effect: 'deny', id: 'x', status: 403, code: 'access_denied', reason: 'authority_missing' }

describe('policy diff', () => {
  const stricter = billing.replace('SERVICE_core-api', 'SERVICE_web')

  test('exits with 1 and lists a request that would be denied, as a process', async (t) => {
    const path = writeFiles(t, {
      'old.yaml': billing,
      'new.yaml': stricter,
      'log.jsonl': [
        logLine({ path: '/billing/1', principal: coreApi, sampled: 0.01 }),
        logLine({ path: '/billing/1', principal: web, ...refused }),
        logLine(),
        '{"version":1,"type":"dropped","time":"2026-11-28T09:00:00.000Z","rate":1,"queue":0,"failed":0}\n',
      ].join(''),
    })
    const args = ['policy', 'diff', path('old.yaml'), path('new.yaml'), ...service, '--log', path('log.jsonl')]
    const { exitCode, output, errors } = await runCommand(args)

    assert.equal(errors, 'not considered: 1 decisions that the log dropped\n')
    assert.equal(exitCode, 1)
    assert.match(output, /^2 of 3 kinds of requests change; 1 may lose access\n/)
    assert.match(output, /^allow -> deny +100 +spiffe:\S+\/core-api +GET +\/billing\/1 +authority_missing/m)
    assert.match(output, /^deny -> allow +1 +spiffe:\S+\/web /m)
  })

  test('exits with 0 if nothing that is allowed would be denied', async (t) => {
    const path = writeFiles(t, { 'old.yaml': billing, 'new.yaml': stricter })
    const { exitCode, output } = await runPolicyOn(
      logLine(),
      'diff',
      path('old.yaml'),
      path('new.yaml'),
      ...service,
      '--log',
      '-',
      '--json',
    )

    assert.equal(exitCode, 0)
    const { event, changed, kinds } = parseOutput(output)
    assert.deepEqual([event, changed, kinds], ['diff', 0, 1])
  })

  test('exits with 1 for a request whose decision would depend on what the log does not record', async (t) => {
    const path = writeFiles(t, { 'old.yaml': billing.slice(0, billing.indexOf('policies:')), 'new.yaml': billing })
    const log = logLine({ path: '/tenants/1' })
    const { exitCode, output } = await runPolicyOn(
      log,
      'diff',
      path('old.yaml'),
      path('new.yaml'),
      ...service,
      '--log',
      '-',
    )

    assert.equal(exitCode, 1)
    assert.match(output, /^allow -> depends +1 .*header x-tenant/m)
  })

  test('says so if the old documents decide otherwise than the service did', async (t) => {
    const path = writeFiles(t, { 'old.yaml': billing })
    const log = logLine({ path: '/billing/1' })
    const { exitCode, errors } = await runPolicyOn(
      log,
      'diff',
      path('old.yaml'),
      path('old.yaml'),
      ...service,
      '--log',
      '-',
    )

    assert.equal(exitCode, 0)
    assert.match(errors, /^1 kind of requests was decided differently than by the old documents/)
  })

  test('counts what cannot be simulated, and goes on', async (t) => {
    const path = writeFiles(t, { 'old.yaml': billing })
    const log = [
      logLine({ principal: 'CN=web' }),
      logLine({ principal: 'CN=web', credential: 'x509-subject' }),
      logLine({ credential: 'of-a-later-version' }),
      logLine(),
    ].join('')
    const args = ['diff', path('old.yaml'), path('old.yaml'), ...service, '--log', '-']
    const { exitCode, output, errors } = await runPolicyOn(log, ...args)

    assert.match(output, /^0 of 1 kind of requests change/)
    assert.equal(errors, 'not considered: 3 lines whose caller or path is not recorded, or cannot be simulated\n')
    assert.equal(exitCode, 0)
  })

  test('exits with 2 without a log, and for a document that is not valid', async (t) => {
    const path = writeFiles(t, { 'old.yaml': billing, 'bad.yaml': 'version: 1\n' })
    const missing = await runPolicy('diff', path('old.yaml'), path('old.yaml'), ...service)
    const invalid = await runCommand([
      'policy',
      'diff',
      path('old.yaml'),
      path('bad.yaml'),
      ...service,
      '--log',
      path('old.yaml'),
    ])

    assert.equal(missing.exitCode, 2)
    assert.match(missing.errors, /^countersign: --log: /)
    assert.equal(invalid.exitCode, 2)
    assert.match(invalid.errors, /^bad\.yaml:1:1: /)
  })
})

describe('policy test', () => {
  const table = `- { caller: ${coreApi}, method: GET, path: /billing/1, expect: allow, rule: 0 }
- caller: ${web}
  method: GET
  path: /billing/1
  expect: deny
  reason: authority_missing
  status: 403
- { caller: spiffe://partner.example/x, method: GET, path: /billing/1, expect: deny, policy: no partners }
- { caller: anonymous, method: GET, path: /, expect: deny }
- { caller: null, method: GET, path: /, expect: deny }
- { caller: ${web}, method: GET, path: /tenants/1, expect: allow }
- { caller: ${web}, method: GET, path: /tenants/1, expect: deny, headers: { X-Tenant: [red, blue] }, host: a.example, port: 443, address: 10.0.0.1 }
`

  test('passes if every row is as expected, as a process', async (t) => {
    const path = writeFiles(t, { 'billing.yaml': billing, 'table.yaml': table })
    const { exitCode, output, errors } = await runCommand([
      'policy',
      'test',
      path('table.yaml'),
      path('billing.yaml'),
      ...service,
    ])

    assert.equal(errors, '')
    assert.equal(output, '7 passed, 0 failed\n')
    assert.equal(exitCode, 0)
  })

  test('reports the row that is not, and why, as a process', async (t) => {
    const path = writeFiles(t, { 'billing.yaml': billing, 'table.yaml': table.replace('rule: 0', 'rule: 1') })
    const { exitCode, output } = await runCommand([
      'policy',
      'test',
      path('table.yaml'),
      path('billing.yaml'),
      ...service,
    ])

    assert.equal(exitCode, 1)
    assert.match(
      output,
      /table\.yaml:1:3: spiffe:\S+\/core-api GET \/billing\/1\n {2}expected {2}allow, rule 1\n {2}found {5}allow, rule 0\n {2}allowed\n/,
    )
    assert.match(output, /\n6 passed, 1 failed\n$/)
  })

  test('prints one JSON object with --json', async (t) => {
    const path = writeFiles(t, {
      'billing.yaml': billing,
      'table.yaml': table.replace('expect: allow', 'expect: deny'),
    })
    const { exitCode, output } = await runPolicy('test', path('table.yaml'), path('billing.yaml'), ...service, '--json')

    assert.equal(exitCode, 1)
    const { rows, failed } = parseOutput(output)
    assert.deepEqual([rows, failed], [7, 1])
  })

  for (const [what, text] of Object.entries({
    'a row with an unknown field': `- { caller: anonymous, method: GET, path: /, expect: deny, polcy: x }`,
    'a row without an expectation': '- { caller: anonymous, method: GET, path: / }',
    'a row with another expectation': '- { caller: anonymous, method: GET, path: /, expect: maybe }',
    'a caller that is not a SPIFFE ID': '- { caller: web, method: GET, path: /, expect: deny }',
    'a row without a path': '- { caller: anonymous, method: GET, expect: deny }',
    'headers that are a list': '- { caller: anonymous, method: GET, path: /, expect: deny, headers: [x] }',
    'a port that is text': "- { caller: anonymous, method: GET, path: /, expect: deny, port: 'x' }",
    'a port out of range': '- { caller: anonymous, method: GET, path: /, expect: deny, port: 65536 }',
    'a header twice': '- { caller: anonymous, method: GET, path: /, expect: deny, headers: { x-a: b, X-A: c } }',
    'a status that is text': "- { caller: anonymous, method: GET, path: /, expect: deny, status: '401' }",
    'a policy that is a number': '- { caller: anonymous, method: GET, path: /, expect: deny, policy: 1 }',
    'a method in lower case': '- { caller: anonymous, method: get, path: /, expect: deny }',
    'a path without a slash': '- { caller: anonymous, method: GET, path: billing/1, expect: deny }',
    'a rule that is a list': '- { caller: anonymous, method: GET, path: /, expect: deny, rule: [0] }',
    'an empty table': '[]',
    'a mapping': 'rows: []',
    'an alias': '- &a { caller: anonymous, method: GET, path: /, expect: deny }\n- *a',
    'text that is not YAML': '- {',
  })) {
    test(`refuses ${what} with its place`, async (t) => {
      const path = writeFiles(t, { 'billing.yaml': billing, 'table.yaml': text })
      const { exitCode, output, errors } = await runPolicy('test', path('table.yaml'), path('billing.yaml'), ...service)

      assert.equal(exitCode, 2)
      assert.equal(output, '')
      assert.match(errors, /^countersign: \S+table\.yaml:\d+:\d+: .+\n$/)
    })
  }
})
