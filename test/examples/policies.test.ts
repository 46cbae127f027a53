import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { authenticated, createGuard, hasAnyAuthority, hasAuthority, type GuardOptions } from '@countersign/core'
import { parsePolicyDocument, policyFiles, policyWarnings } from '@countersign/policy'
import { createAuthorities, createSource } from '../../examples/internal-api/src/callers.ts'
import { runExample } from './start-example.ts'

const folder = fileURLToPath(new URL('../../examples/policies/policies', import.meta.url))

test('documents are replaced under load, and no request fails for another reason than the documents', async () => {
  const { exitCode, output, errors } = await runExample('policies')

  assert.equal(errors, '')
  assert.equal(exitCode, 0, output)
  const lines = output.trimEnd().split('\n')
  assert.match(
    lines.at(-1) ?? '',
    /^as expected: [1-9]\d* requests, each decided by one revision; 0 failed for another reason$/,
  )
  const outcomes = [...output.matchAll(/^… ([a-z]+): .*in use: ([0-9a-f]{8})$/gm)]
  const [first, second] = outcomes.map(([, , revision]) => revision)
  // The source reports that it has recovered before or after the guard uses its set.
  assert.deepEqual(
    outcomes.filter(([, outcome]) => outcome !== 'recovered').map(([, outcome, revision]) => [outcome, revision]),
    [
      ['loaded', first],
      ['loaded', second],
      ['refused', second],
      ['loaded', first],
    ],
  )
  assert.equal(outcomes.filter(([, outcome]) => outcome === 'recovered').length, 1)
  assert.match(output, /^… refused: platform\.yaml:8:9: .*did you mean 'notNamespaces'/m)
  const counts = [...output.matchAll(/^([0-9a-f]{8}) +\d+ +(\d+) +(\d+)$/gm)]
  assert.deepEqual(new Set(counts.map(([, revision]) => revision)), new Set([first, second]))
  for (const [line, , allowed, denied] of counts) assert.ok(Number(allowed) > 0 && Number(denied) > 0, line)
})

test('the documents decide as the rules of the demo', async (context) => {
  const source = await createSource(await createAuthorities())
  const documents = await policyFiles(folder)
  context.after(() => documents.close())
  const create = (options: Partial<GuardOptions>) =>
    createGuard({ source, trustDomains: ['saas.example', 'partner.example'], log: () => undefined, ...options })
  const fromCode = create({
    rules: [
      { path: '/internal/billing/**', allow: hasAuthority('SERVICE_core-api') },
      { path: '/internal/analytics/**', allow: hasAnyAuthority('SERVICE_core-api', 'SERVICE_analytics-service') },
      { path: '/internal/**', allow: authenticated() },
    ],
  })
  const fromDocuments = create({ policies: documents })
  for (const caller of [
    'spiffe://saas.example/ns/production/sa/core-api',
    'spiffe://saas.example/ns/production/sa/analytics-service',
    'spiffe://saas.example/ns/production/sa/notification-service',
    'spiffe://saas.example/ns/staging/sa/core-api',
    'spiffe://partner.example/ns/production/sa/core-api',
  ]) {
    for (const path of ['/internal/billing/invoices', '/internal/analytics/reports', '/internal/health', '/metrics']) {
      const [one, other] = [fromCode, fromDocuments].map((guard) => guard.explain({ caller, method: 'GET', path }))
      assert.equal(other?.decision.effect, one?.decision.effect, `${caller} ${path}`)
    }
  }
})

test('each document has no warnings and names a schema that exists', () => {
  const names = readdirSync(folder)
  assert.ok(names.length > 1)
  for (const name of names) {
    const path = resolve(folder, name)
    const text = readFileSync(path, 'utf8')
    assert.deepEqual(policyWarnings(parsePolicyDocument(text, { name })), [])
    const [, schema = ''] = /^# yaml-language-server: \$schema=(.*)\n/.exec(text) ?? []
    assert.ok(existsSync(resolve(dirname(path), schema)), name)
  }
})
