import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import {
  anonymous,
  anyOf,
  authenticated,
  createReplaceablePolicies,
  hasAuthority,
  type Policy,
  type Rule,
} from '@countersign/core'
import { createAuthority } from '@countersign/testkit'
import { assertSameDecision, followDecisions } from './audit-pair.ts'
import { engine, holdAuthorizer, hurriedEngine, opa } from './authorized-service.ts'
import { everywhere, idOf, setups, startService, upgrade } from './credential-service.ts'
import { waitUntil } from '../support/wait-until.ts'

const authority = await createAuthority('saas.example')
const source = await authority.source(idOf('billing'))
const orders = await authority.issue(idOf('orders'))
const until = new Date(Date.now() + 3_600_000).toISOString()
const mode = { audit: { until } }
const narrowed = hasAuthority('SERVICE_admin-ui')

const rules: readonly Rule[] = [
  { path: '/admin', allow: narrowed },
  { path: '/**', allow: authenticated() },
]

const engines: readonly (readonly [string, () => ReturnType<typeof engine> | ReturnType<typeof opa>])[] = [
  ['a function that allows', () => engine(async () => true)],
  ['a function that denies', () => engine(async () => ({ allow: false, reason: 'no' }))],
  ['a function that denies at once', () => engine(() => false)],
  ['a function that throws', () => engine(() => assert.fail('down'))],
  ['WebAssembly that allows', () => opa('allow')],
  ['WebAssembly that denies', () => opa('decision', [])],
  ['WebAssembly without a result', () => opa('without_default', [])],
]

describe('promise 15, in audit mode: the handler never waits, and one decision is published', () => {
  for (const setup of setups) {
    test(`${setup.name}: an engine that never answers does not delay a request, and is reported at the end`, async (context) => {
      const published = followDecisions(context)
      const never = hurriedEngine(() => new Promise(() => undefined))
      const service = await startService(context, setup, { source, rules, mode, authorizer: never })
      const [decision, ...others] = await published.during(async () => {
        assert.equal((await service.as(orders).fetch('/open')).status, 200)
      })
      assert.deepEqual(others, [])
      assert.equal(decision?.denial?.reason, 'authorizer_unavailable')
      assert.equal(service.guard.auditReport().requests, 1)
    })

    test(`${setup.name}: the handler answers before the engine does`, async (context) => {
      const published = followDecisions(context)
      const held = holdAuthorizer()
      const service = await startService(context, setup, { source, rules, mode, authorizer: held.authorizer })
      const decisions = await published.during(async () => {
        assert.equal((await service.as(orders).fetch('/open')).status, 200)
        await held.reached(1)
        for (let times = 0; times < 5; times += 1) await turn()
        assert.equal(service.guard.auditReport().requests, 0)
        held.calls[0]?.answer({ allow: false, reason: 'not on the list' })
      })
      assert.equal(decisions.length, 1)
      assert.equal(decisions[0]?.denial?.reason, 'authorizer_denied')
      assert.match(String(decisions[0]?.denial?.detail), /not on the list/)
    })

    for (const [name, create] of engines) {
      test(`${setup.name}: ${name}: every would-be decision is that of a guard that enforces`, async (context) => {
        const published = followDecisions(context)
        const [auditing, enforcing] = [
          await startService(context, setup, { source, rules, narrowed, mode, authorizer: await create() }),
          await startService(context, setup, { source, rules, narrowed, authorizer: await create() }),
        ]
        for (const path of ['/open', '/admin', '/narrowed', '/child', '/open/x', '/open//x']) {
          const would = await published.during(() => auditing.as(orders).fetch(path))
          const does = await published.during(() => enforcing.as(orders).fetch(path))
          if (path === '/open//x') assert.deepEqual(would, does)
          else assertSameDecision(would, does, path)
        }
        if (setup.http2) return
        const would = await published.during(() => upgrade(auditing, orders))
        const does = await published.during(() => upgrade(enforcing, orders).catch(() => undefined))
        assertSameDecision(would, does, 'upgrade')
      })
    }
  }
})

describe('promise 15, with policies: a request keeps its revision while the authorizer is asked', () => {
  for (const setup of setups) {
    test(`${setup.name}: a set that is replaced meanwhile counts for the next request`, async (context) => {
      const deny: Policy = { name: 'closed', action: 'DENY', to: [{ paths: ['/**'] }] }
      const policies = createReplaceablePolicies({ revision: 'one' })
      const held = holdAuthorizer()
      const { authorizer } = held
      const service = await startService(context, setup, { source, rules, policies, authorizer })
      const answer = service.as(orders).fetch('/open')
      await held.reached(1)
      policies.replace({ policies: [deny], revision: 'two' })
      // The new set is compiled in turns, and decides once it is ready.
      await waitUntil(() => service.events.some((event) => event.type === 'policy' && event.revision === 'two'))
      assert.equal((await service.as(orders).fetch('/open/next')).status, 403)
      held.calls[0]?.answer(true)
      assert.equal((await answer).status, 200)
      assert.equal(held.calls[0]?.question.revision, 'one')
      assert.equal(held.calls.length, 1)
    })
  }
})

describe('promise 15, in audit mode: anonymous callers are not covered', () => {
  for (const setup of setups) {
    test(`${setup.name}: anonymous callers wait, and are let in only by an answer that allows`, async (context) => {
      const held = holdAuthorizer()
      const open = everywhere(anyOf(authenticated(), anonymous()))
      const service = await startService(context, setup, {
        source,
        rules: open,
        mode,
        permissive: { until },
        authorizer: held.authorizer,
      })
      const answers = [service.as(null).fetch('/open'), service.as(null).fetch('/open')]
      await held.reached(2)
      assert.deepEqual(service.seen, [])
      held.calls[0]?.answer(true)
      held.calls[1]?.answer(false)
      const statuses = (await Promise.all(answers)).map(({ status }) => status)
      assert.deepEqual(
        statuses.toSorted((one, other) => one - other),
        [200, 401],
      )
      assert.equal(service.seen.length, 1)
    })
  }
})
