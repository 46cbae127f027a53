import assert from 'node:assert/strict'
import test from 'node:test'
import { createGuard, decisionLog } from '@countersign/core'
import { countersign } from '@countersign/fastify'
import { policyFiles } from '@countersign/policy'
import { createAuthority, serve } from '@countersign/testkit'
import Fastify from 'fastify'
import { billing, coreApi, parseOutput, production, runPolicy, service, web, writeFiles } from './policy-documents.ts'

test('a log that a service wrote is replayed, and shows what is used', async (t) => {
  const stricter = billing.replace('SERVICE_core-api', 'SERVICE_web')
  const path = writeFiles(t, { 'billing.yaml': billing, 'stricter.yaml': stricter })
  const policies = await policyFiles(path('billing.yaml'))
  t.after(() => policies.close())
  const authority = await createAuthority('saas.example')
  const source = await authority.source(`${production}/billing`)
  const guard = createGuard({
    source,
    policies,
    trustDomains: ['saas.example', 'partner.example'],
    log: () => undefined,
  })
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  app.get('/*', () => 'ok')
  const running = await serve(guard, app)
  t.after(() => running.close())

  const log = decisionLog({ path: path('decisions.jsonl'), sampleAllowed: 1 })
  t.after(() => log.close())
  const statusOf = async (caller: string, target: string): Promise<number> => {
    const { status } = await running.as(await authority.issue(caller)).fetch(target)
    return status
  }
  assert.equal(await statusOf(coreApi, '/billing/17?id=1'), 200)
  assert.equal(await statusOf(web, '/billing/17'), 403)
  await log.close()

  const used = await runPolicy('what-can', coreApi, path('billing.yaml'), ...service, '--log', path('decisions.jsonl'))
  assert.equal(used.errors, '')
  assert.match(used.output, /^allow +any +\/billing\/\*\* /m)
  assert.match(used.output, /^allow, unused +GET +\/\*\* /m)
  const args = [path('billing.yaml'), path('stricter.yaml'), ...service, '--log', path('decisions.jsonl'), '--json']
  const { exitCode, output, errors } = await runPolicy('diff', ...args)
  assert.equal(errors, '')
  assert.equal(exitCode, 1)
  const { kinds, changed, lost, unlike, gaps } = parseOutput(output)
  assert.deepEqual({ kinds, changed, lost, unlike, gaps }, { kinds: 2, changed: 2, lost: 1, unlike: 0, gaps: [] })
})
