import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { billing, logLine, parseOutput, runPolicy, service, writeFiles } from './policy-documents.ts'
import { runCommand } from './run-command.ts'

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
    const { exitCode, output } = await runPolicy(
      'matrix',
      path('billing.yaml'),
      ...service,
      '--html',
      path('m.html'),
      '--json',
    )
    const html = readFileSync(path('m.html'), 'utf8')

    assert.equal(exitCode, 0)
    assert.equal(parseOutput(output)['event'], 'matrix')
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
    const { output, errors } = await runPolicy('matrix', path('billing.yaml'), ...service, ...options)

    assert.match(output, /^1 +GET +\/invoices\n2 +GET +\/payments\/:id\n/)
    assert.match(output, /^spiffe:\S+\/web +\+ +o$/m)
    assert.equal(errors, 'not considered: 1 lines whose caller or path is not recorded, or cannot be simulated\n')
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
      const { exitCode, output, errors } = await runPolicy('matrix', path('billing.yaml'), ...service, option, given)

      assert.equal(exitCode, 2)
      assert.equal(output, '')
      assert.match(errors, /^countersign: .+\n$/)
    })
  }
})
