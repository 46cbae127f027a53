import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { LanguageServer } from './language-server.ts'

const schema = fileURLToPath(import.meta.resolve('@countersign/policy/schema.json'))
const uri = 'file:///project/billing.yaml'

function write(...lines: readonly string[]): string {
  return [`# yaml-language-server: $schema=${schema}`, 'version: 1', ...lines].join('\n')
}

test('a language server flags an unknown field of a rule, and accepts a valid document', async (context) => {
  const server = await LanguageServer.start(context)
  const unknown = await server.open(uri, write('rules:', '  - path: /a', '    alow: { authenticated: true }'))
  assert.deepEqual(
    unknown.map(({ line }) => line),
    [3, 4],
  )
  assert.match(unknown.map(({ message }) => message).join('\n'), /"allow"[^]*alow is not allowed/)
  const valid = write(
    'rules:',
    '  - path: /a',
    '    allow: { hasAuthority: SERVICE_core-api }',
    '  - path: /b',
    '    allow: [spiffe://a.example/b]',
  )
  assert.deepEqual(await server.open('file:///project/valid.yaml', valid), [])
})

test('a language server completes fields and values, and describes them', async (context) => {
  const server = await LanguageServer.start(context)
  const text = write(
    'rules:',
    '  - path: /a',
    '    allow:',
    '      has',
    'policies:',
    '  - name: a',
    '    action: ',
    '    from:',
    '      - not',
  )
  await server.open(uri, text)
  const requirements = await server.complete(uri, 5, 9)
  assert.ok(requirements.includes('hasAuthority'), requirements.join())
  assert.ok(requirements.includes('allOf'), requirements.join())
  assert.ok(!requirements.includes('custom'), requirements.join())
  assert.deepEqual((await server.complete(uri, 8, 12)).toSorted(), ['ALLOW', 'DENY'])
  assert.ok((await server.complete(uri, 10, 11)).includes('notCallers'))
  assert.match(await server.describe(uri, 8, 6), /DENY denies what matches/)
})
