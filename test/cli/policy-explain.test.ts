import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { billing, coreApi, parseOutput, parseRecord, runPolicy, service, web, writeFiles } from './policy-documents.ts'
import { runCommand } from './run-command.ts'

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
    assert.match(output, /rules\[0\] \(\/billing\/\*\*, billing\.yaml:3:5\)/)
  })

  test('uses what is stated of the request', async (t) => {
    const path = writeFiles(t, { 'billing.yaml': billing })
    const explain = async (...stated: readonly string[]): Promise<unknown> => {
      const { output } = await runPolicy(
        'explain',
        web,
        'GET',
        '/tenants/1',
        path('billing.yaml'),
        ...service,
        '--json',
        ...stated,
      )
      const { decision } = parseOutput(output)
      return parseRecord(decision)['effect']
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
      const { exitCode, output, errors } = await runPolicy(
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

  test('prints one JSON object with --json', async (t) => {
    const path = writeFiles(t, { 'billing.yaml': billing })
    const { output, errors } = await runPolicy(
      'who-can',
      'GET',
      '/invoices',
      path('billing.yaml'),
      ...service,
      '--json',
    )

    assert.equal(errors, '')
    const { event, callers, nearMisses } = parseOutput(output)
    assert.equal(event, 'who-can')
    assert.ok(Array.isArray(callers) && callers.length > 2)
    assert.deepEqual(nearMisses, [])
  })

  test('shows rules that are a near miss', async (t) => {
    const path = writeFiles(t, { 'billing.yaml': billing })
    const { output } = await runPolicy('who-can', 'POST', '/biling/17', path('billing.yaml'), ...service)

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
    const strict = await runPolicy('what-can', 'anonymous', path('open.yaml'), ...service)
    const permissive = await runPolicy('what-can', 'anonymous', path('open.yaml'), ...service, '--permissive')

    assert.match(strict.output, /permissive mode is not on/)
    assert.match(permissive.output, /^allow +any +\/open /m)
  })

  test('prints one JSON object with --json, and exits with 2 without --as', async (t) => {
    const path = writeFiles(t, { 'billing.yaml': billing })
    const { output } = await runPolicy('what-can', coreApi, path('billing.yaml'), ...service, '--json')
    const missing = await runCommand(['policy', 'what-can', coreApi, path('billing.yaml')])

    assert.equal(parseOutput(output)['event'], 'what-can')
    assert.equal(missing.exitCode, 2)
    assert.match(missing.errors, /^countersign: --as: /)
  })
})
