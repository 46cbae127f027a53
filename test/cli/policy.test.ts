import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { billing, logLine, production, service, writeFiles } from './policy-documents.ts'
import { type Finished, runCommand } from './run-command.ts'
import { runInProcess } from './run-in-process.ts'

const web = `${production}/web`
const coreApi = `${production}/core-api`

function run(...args: readonly string[]): Promise<Finished> {
  return runInProcess(['policy', ...args])
}

function runOn(input: string, ...args: readonly string[]): Promise<Finished> {
  return runInProcess(['policy', ...args], {}, undefined, input)
}

for (const name of ['check', 'explain', 'who-can', 'what-can', 'matrix', 'diff', 'test', 'convert']) {
  test(`the help of policy ${name} shows examples, the exit codes, and only options that it lists`, async () => {
    const { exitCode, output, errors } = await run(name, '--help')

    assert.equal(errors, '')
    assert.equal(exitCode, 0)
    const [listed = '', examples = ''] = output.split('\nExamples:\n')
    assert.match(examples, new RegExp(`^  \\$ countersign policy ${name}`, 'm'))
    assert.match(examples, /^Exit codes: 0 .*1 .*2 |^Exit codes: 0 .*2 .*1 is not used/ms)
    for (const [option] of examples.matchAll(/--[a-z-]+/g)) assert.ok(listed.includes(`${option} `), option)
    assert.ok(output.split('\n').every((line) => line.length <= 80))
  })

  test(`policy ${name} without arguments prints one line and exits with 2`, async () => {
    const { exitCode, output, errors } = await run(name)

    assert.equal(exitCode, 2)
    assert.equal(output, '')
    assert.match(errors, /^countersign: .+\n$/)
  })
}

test('the help of policy names every command', async () => {
  const { exitCode, output } = await run('--help')

  assert.equal(exitCode, 0)
  assert.match(output, /check.*explain.*who-can.*what-can.*matrix.*diff.*test.*convert/s)
  assert.ok(output.split('\n').every((line) => line.length <= 80))
})

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
    assert.match(output, /^1 documents: \d+ errors, 0 warnings\n$/m)
  })

  test('reports a contradiction between documents, and bytes that are not text', async (t) => {
    const path = writeFiles(t, { 'p/a.yaml': billing, 'p/b.yaml': billing })
    const { exitCode, output } = await run('check', path('p'))

    assert.equal(exitCode, 1)
    assert.match(output, /^b\.yaml:3:5: .*rules in only one document/m)
    assert.match(output, /^b\.yaml:9:5: .*second policy 'no partners'/m)
  })

  test('exits with 1 for warnings only with --strict', async (t) => {
    const path = writeFiles(t, {
      'open.yaml': 'version: 1\npolicies:\n  - name: open\n    action: ALLOW\n',
    })
    const lenient = await run('check', path('open.yaml'))
    const strict = await run('check', path('open.yaml'), '--strict')

    assert.equal(lenient.exitCode, 0)
    assert.match(lenient.output, /^open\.yaml:3:5: warning: policy 'open': .*\(allow_everything\)$/m)
    assert.equal(strict.exitCode, 1)
    assert.equal(strict.output, lenient.output)
  })

  test('finds a rule that no caller of the service can meet, with --as', async (t) => {
    const text = 'version: 1\nrules:\n  - path: /x\n    allow: { inTrustDomain: [other.example] }\n'
    const path = writeFiles(t, { 'x.yaml': text })

    assert.equal((await run('check', path('x.yaml'))).exitCode, 0)
    const { exitCode, output } = await run('check', path('x.yaml'), ...service)
    assert.equal(exitCode, 1)
    assert.match(output, /^x\.yaml:3:5: rules\[0\]\.allow.*other\.example/m)
  })

  test('prints one JSON object with --json', async (t) => {
    const path = writeFiles(t, { 'bad.yaml': 'version: 2\n' })
    const { exitCode, output, errors } = await run('check', path('bad.yaml'), '--json')

    assert.equal(exitCode, 1)
    assert.equal(errors, '')
    const { event, problems, revision } = parse(output)
    assert.equal(event, 'check')
    assert.match(String(revision), /^sha256:[0-9a-f]{64}$/)
    assert.ok(Array.isArray(problems) && problems.length > 0)
  })

  test('exits with 2 if a file cannot be read', async (t) => {
    const { exitCode, output, errors } = await run('check', writeFiles(t, {})('missing.yaml'))

    assert.equal(exitCode, 2)
    assert.equal(output, '')
    assert.match(errors, /^countersign: .*missing\.yaml.*\n$/)
  })
})

describe('policy explain', () => {
  test('explains every layer, as a process', async (t) => {
    const path = writeFiles(t, { 'billing.yaml': billing })
    const args = ['policy', 'explain', web, 'GET', '/billing/17', path('billing.yaml'), ...service]
    const { exitCode, output, errors } = await runCommand(args)

    assert.equal(errors, '')
    assert.equal(exitCode, 0)
    assert.match(
      output,
      /^denied: 403 access_denied \(authority_missing\)\n {2}target +pass .*\n {2}authentication +pass/,
    )
    assert.match(output, /rules\[0\] \(.*\/billing\/\*\*\)/)
  })

  test('uses what is stated of the request', async (t) => {
    const path = writeFiles(t, { 'billing.yaml': billing })
    const explain = async (...stated: readonly string[]): Promise<unknown> => {
      const { output } = await run(
        'explain',
        web,
        'GET',
        '/tenants/1',
        path('billing.yaml'),
        ...service,
        '--json',
        ...stated,
      )
      const { decision } = parse(output)
      return record(decision)['effect']
    }

    assert.equal(await explain(), 'deny')
    assert.equal(await explain('--header', 'x-tenant: red'), 'allow')
    assert.equal(await explain('--header', 'X-Tenant:blue'), 'deny')
    assert.equal(
      await explain('--header', 'x-tenant: red', '--host', 'a.example', '--port', '8443', '--address', '10.0.0.1'),
      'allow',
    )
  })

  for (const [what, args] of Object.entries({
    'a caller that is not a SPIFFE ID': ['web', 'GET', '/'],
    'a credential that does not exist': [web, 'GET', '/', '--credential', 'password'],
    'a header without a name': [web, 'GET', '/', '--header', 'blue'],
    'a port that is not a number': [web, 'GET', '/', '--port', 'https'],
    'an address that is a name': [web, 'GET', '/', '--address', 'localhost'],
  })) {
    test(`refuses ${what}`, async (t) => {
      const path = writeFiles(t, { 'billing.yaml': billing })
      const [caller = '', method = '', asked = '', ...options] = args
      const { exitCode, output, errors } = await run(
        'explain',
        caller,
        method,
        asked,
        path('billing.yaml'),
        ...options,
        ...service,
      )

      assert.equal(exitCode, 2)
      assert.equal(output, '')
      assert.match(errors, /^countersign: .+\n$/)
    })
  }
})

describe('policy who-can', () => {
  test('lists the callers, each with what decided, as a process', async (t) => {
    const path = writeFiles(t, { 'billing.yaml': billing })
    const { exitCode, output, errors } = await runCommand([
      'policy',
      'who-can',
      'POST',
      '/billing/17',
      path('billing.yaml'),
      ...service,
    ])

    assert.equal(errors, '')
    assert.equal(exitCode, 0)
    assert.match(output, /^POST \/billing\/17: 1 allowed, 2 denied\nallow +spiffe:\S+\/core-api +rules\[0\]/)
    assert.match(output, /^deny +any other workload of partner\.example +policy_denied: policy 'no partners'/m)
  })

  test('shows rules that are a near miss', async (t) => {
    const path = writeFiles(t, { 'billing.yaml': billing })
    const { output } = await run('who-can', 'POST', '/biling/17', path('billing.yaml'), ...service)

    assert.match(output, /^near miss: rules\[0\]/m)
  })

  test('refuses a document that is not valid with exit code 2', async (t) => {
    const path = writeFiles(t, { 'bad.yaml': 'version: 1\nrules: [' })
    const { exitCode, output, errors } = await runCommand([
      'policy',
      'who-can',
      'GET',
      '/',
      path('bad.yaml'),
      ...service,
    ])

    assert.equal(exitCode, 2)
    assert.equal(output, '')
    assert.match(errors, /^bad\.yaml:\d+:\d+: /)
  })
})

describe('policy what-can', () => {
  test('lists the routes of a caller, as a process', async (t) => {
    const path = writeFiles(t, { 'billing.yaml': billing })
    const { exitCode, output } = await runCommand(['policy', 'what-can', coreApi, path('billing.yaml'), ...service])

    assert.equal(exitCode, 0)
    assert.match(output, /^spiffe:\S+\/core-api: \d of \d+ routes\n/)
    assert.match(output, /^allow +any +\/billing\/\*\* /m)
    assert.match(output, /^depends +GET +\/tenants\/\*\* +policy 'tenants' .*header x-tenant/m)
  })

  test('answers for anonymous callers', async (t) => {
    const path = writeFiles(t, { 'open.yaml': 'version: 1\nrules: [{ path: /open, allow: { permitAll: true } }]\n' })
    const strict = await run('what-can', 'anonymous', path('open.yaml'), ...service)
    const permissive = await run('what-can', 'anonymous', path('open.yaml'), ...service, '--permissive')

    assert.match(strict.output, /permissive mode is not on/)
    assert.match(permissive.output, /^allow +any +\/open /m)
  })

  test('prints one JSON object with --json, and exits with 2 without --as', async (t) => {
    const path = writeFiles(t, { 'billing.yaml': billing })
    const { output } = await run('what-can', coreApi, path('billing.yaml'), ...service, '--json')
    const missing = await runCommand(['policy', 'what-can', coreApi, path('billing.yaml')])

    assert.equal(parse(output)['event'], 'what-can')
    assert.equal(missing.exitCode, 2)
    assert.match(missing.errors, /^countersign: --as: /)
  })
})

describe('policy matrix', () => {
  test('prints a table, as a process', async (t) => {
    const path = writeFiles(t, { 'billing.yaml': billing })
    const { exitCode, output } = await runCommand(['policy', 'matrix', path('billing.yaml'), ...service])

    assert.equal(exitCode, 0)
    assert.match(output, /^\d+ +any +\/billing\/\*\*$/m)
    assert.match(output, /^any other workload of partner\.example +[-+? ]+$/m)
  })

  test('writes one page that loads nothing', async (t) => {
    const path = writeFiles(t, { 'billing.yaml': billing })
    const { exitCode, output } = await run(
      'matrix',
      path('billing.yaml'),
      ...service,
      '--html',
      path('m.html'),
      '--json',
    )
    const html = readFileSync(path('m.html'), 'utf8')

    assert.equal(exitCode, 0)
    assert.equal(parse(output)['event'], 'matrix')
    assert.match(html, /Content-Security-Policy" content="default-src 'none'; script-src 'sha256-/)
    assert.doesNotMatch(html, /(?:src|href)="(?!#)/)
  })

  test('marks what the log has not used, and takes routes from a file', async (t) => {
    const path = writeFiles(t, {
      'billing.yaml': billing,
      'log.jsonl': `${logLine()}${logLine({ path: '(redacted)', pathState: 'redacted' })}`,
      'routes.txt': '# ours\nGET /invoices\n\nGET /payments/:id\n',
    })
    const options = ['--log', path('log.jsonl'), '--routes', path('routes.txt')]
    const { output, errors } = await run('matrix', path('billing.yaml'), ...service, ...options)

    assert.match(output, /^1 +GET +\/invoices\n2 +GET +\/payments\/:id\n/)
    assert.match(output, /^spiffe:\S+\/web +\+ +o$/m)
    assert.equal(errors, 'skipped 1 lines whose caller or path is not recorded\n')
  })

  for (const [what, files, options] of [
    ['a log that is not one', { 'log.jsonl': 'GET / 200\n' }, ['--log', 'log.jsonl']],
    ['a log of another version', { 'log.jsonl': logLine({ version: 2 }) }, ['--log', 'log.jsonl']],
    ['a log that does not exist', {}, ['--log', 'log.jsonl']],
    ['a route without a path', { 'routes.txt': 'GET\n' }, ['--routes', 'routes.txt']],
    ['a file without routes', { 'routes.txt': '# none\n' }, ['--routes', 'routes.txt']],
    ['a page that cannot be written', {}, ['--html', 'missing/m.html']],
    ['authorities that are a list', { 'a.yaml': '- x\n' }, ['--authorities', 'a.yaml']],
    ['authorities of a name that is not a SPIFFE ID', { 'a.yaml': 'web: [X]\n' }, ['--authorities', 'a.yaml']],
    ['a trust domain with a wildcard', {}, ['--trust-domain', '*']],
    ['a credential that does not exist', {}, ['--accept', 'password']],
  ] as const) {
    test(`refuses ${what} with exit code 2`, async (t) => {
      const path = writeFiles(t, { 'billing.yaml': billing, ...files })
      const [option, value] = options
      const given = /[./]/.test(value) ? path(value) : value
      const { exitCode, output, errors } = await run('matrix', path('billing.yaml'), ...service, option, given)

      assert.equal(exitCode, 2)
      assert.equal(output, '')
      assert.match(errors, /^countersign: .+\n$/)
    })
  }
})

describe('policy diff', () => {
  const stricter = billing.replace('SERVICE_core-api', 'SERVICE_web')

  test('exits with 1 and lists a request that would be denied, as a process', async (t) => {
    const path = writeFiles(t, {
      'old.yaml': billing,
      'new.yaml': stricter,
      'log.jsonl': [
        logLine({ path: '/billing/1', principal: coreApi, sampled: 0.01 }),
        logLine({ path: '/billing/1', principal: web, effect: 'deny', reason: 'authority_missing' }),
        logLine(),
        '{"version":1,"type":"dropped","time":"2026-11-28T09:00:00.000Z","rate":1,"queue":0,"failed":0}\n',
      ].join(''),
    })
    const args = ['policy', 'diff', path('old.yaml'), path('new.yaml'), ...service, '--log', path('log.jsonl')]
    const { exitCode, output, errors } = await runCommand(args)

    assert.equal(errors, '')
    assert.equal(exitCode, 1)
    assert.match(output, /^2 of 3 kinds of requests change; 1 that were allowed are denied or may be\n/)
    assert.match(output, /^allow -> deny +100 +spiffe:\S+\/core-api +GET +\/billing\/1 +authority_missing/m)
    assert.match(output, /^deny -> allow +1 +spiffe:\S+\/web /m)
  })

  test('exits with 0 if nothing that is allowed would be denied', async (t) => {
    const path = writeFiles(t, { 'old.yaml': billing, 'new.yaml': stricter })
    const { exitCode, output } = await runOn(
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
    const { event, changed, kinds } = parse(output)
    assert.deepEqual([event, changed, kinds], ['diff', 0, 1])
  })

  test('exits with 1 for a request whose decision would depend on what the log does not record', async (t) => {
    const path = writeFiles(t, { 'old.yaml': billing.slice(0, billing.indexOf('policies:')), 'new.yaml': billing })
    const log = logLine({ path: '/tenants/1' })
    const { exitCode, output } = await runOn(log, 'diff', path('old.yaml'), path('new.yaml'), ...service, '--log', '-')

    assert.equal(exitCode, 1)
    assert.match(output, /^allow -> depends +1 .*header x-tenant/m)
  })

  test('says so if the old documents decide otherwise than the service did', async (t) => {
    const path = writeFiles(t, { 'old.yaml': billing })
    const log = logLine({ path: '/billing/1' })
    const { exitCode, errors } = await runOn(log, 'diff', path('old.yaml'), path('old.yaml'), ...service, '--log', '-')

    assert.equal(exitCode, 0)
    assert.match(errors, /^1 kinds of requests were decided otherwise than by the old documents/)
  })

  test('exits with 2 without a log, and for a document that is not valid', async (t) => {
    const path = writeFiles(t, { 'old.yaml': billing, 'bad.yaml': 'version: 1\n' })
    const missing = await run('diff', path('old.yaml'), path('old.yaml'), ...service)
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
    const { exitCode, output } = await run('test', path('table.yaml'), path('billing.yaml'), ...service, '--json')

    assert.equal(exitCode, 1)
    const { rows, failed } = parse(output)
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
    'a rule that is a list': '- { caller: anonymous, method: GET, path: /, expect: deny, rule: [0] }',
    'an empty table': '[]',
    'a mapping': 'rows: []',
    'an alias': '- &a { caller: anonymous, method: GET, path: /, expect: deny }\n- *a',
    'text that is not YAML': '- {',
  })) {
    test(`refuses ${what} with its place`, async (t) => {
      const path = writeFiles(t, { 'billing.yaml': billing, 'table.yaml': text })
      const { exitCode, output, errors } = await run('test', path('table.yaml'), path('billing.yaml'), ...service)

      assert.equal(exitCode, 2)
      assert.equal(output, '')
      assert.match(errors, /^countersign: \S+table\.yaml:\d+:\d+: .+\n$/)
    })
  }
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
    assert.equal((await run('check', written('x.yaml'))).exitCode, 0)
  })

  test('writes JSON with --json', async (t) => {
    const policies = "export const policies = [{ name: 'a', action: 'DENY' }]\n"
    const path = writeFiles(t, { 'policies.mjs': policies })
    const { output } = await run('convert', path('policies.mjs'), '--json')

    assert.deepEqual(parse(output), { version: 1, policies: [{ name: 'a', action: 'DENY' }] })
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
      const { exitCode, output, errors } = await run('convert', writeFiles(t, { 'x.mjs': text })('x.mjs'))

      assert.equal(exitCode, 2)
      assert.equal(output, '')
      assert.match(errors, /^countersign: .+\n$/)
    })
  }
})

function parse(output: string): Readonly<Record<string, unknown>> {
  assert.equal(output.split('\n').length, 2)
  return record(JSON.parse(output))
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  assert.ok(typeof value === 'object' && value !== null)
  return { ...value }
}
