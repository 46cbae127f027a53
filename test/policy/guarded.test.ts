import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createGuard } from '@countersign/core'
import { createAuthority, serve } from '@countersign/testkit'
import { admitNow } from '../support/admit-now.ts'
import { waitForEvent } from '../support/wait-for-event.ts'
import { createFolder, open, replaceFile } from './write-documents.ts'

const production = 'spiffe://saas.example/ns/production/sa'

/** Rules, and a DENY policy for one service account. */
function write(denied: string): string {
  return `version: 1
rules:
  - { path: /reports/**, allow: { inNamespace: [production] } }
  - { path: /**, allow: { anyOf: [{ serviceAccounts: [production/core-api] }, { callers: ['spiffe://saas.example/ns/*/sa/mailer'] }] } }
policies:
  - name: not for ${denied}
    action: DENY
    from: [{ serviceAccounts: [production/${denied}] }]
    to: [{ paths: [/reports/**] }]
`
}

test('a guard decides by the documents of a folder, and by their next revision once they change', async (context) => {
  const file = join(createFolder(context), 'billing.yaml')
  writeFileSync(file, write('mailer'))
  const policies = await open(context, file)
  const authority = await createAuthority('saas.example')
  const events = new Set<(event: object) => void>()
  const guard = createGuard({
    source: await authority.source(`${production}/billing`),
    policies,
    log: (event) => {
      for (const listener of events) listener(event)
    },
  })
  await using running = await serve(guard, (request, response) => {
    response.writeHead('name' in admitNow(guard, request) ? 200 : 403).end()
  })
  const ask = async (name: string, path: string): Promise<number> =>
    (await running.as(await authority.issue(`${production}/${name}`)).fetch(path)).status
  const eventOf = (type: string): Promise<object> =>
    waitForEvent<object>(
      (listener) => {
        events.add(listener)
        return () => void events.delete(listener)
      },
      (event) => Reflect.get(event, 'type') === type,
    )

  const denial = eventOf('denial')
  assert.deepEqual([await ask('mailer', '/reports/1'), await ask('core-api', '/reports/1')], [403, 200])
  assert.deepEqual([await ask('mailer', '/a'), await ask('core-api', '/a'), await ask('other', '/a')], [200, 200, 403])
  const { reason, policy, revision, detail } = Object.fromEntries(Object.entries(await denial))
  assert.deepEqual([reason, policy, revision], ['policy_denied', 'not for mailer', policies.current.revision])
  assert.match(String(detail), /billing\.yaml:6:5/)

  const loaded = eventOf('policy')
  replaceFile(file, write('core-api'))
  assert.equal(Reflect.get(await loaded, 'outcome'), 'loaded')
  assert.deepEqual([await ask('mailer', '/reports/1'), await ask('core-api', '/reports/1')], [200, 403])

  const refused = eventOf('policy')
  replaceFile(file, write('core-api').replace('DENY', 'DENYY'))
  const { outcome, code } = Object.fromEntries(Object.entries(await refused))
  assert.deepEqual([outcome, code], ['refused', 'document_invalid'])
  assert.equal(await ask('core-api', '/reports/1'), 403)
})
