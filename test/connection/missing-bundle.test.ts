import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFetch } from '@countersign/client'
import { authenticated, type CountersignEvent } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'
import { expectCallError } from '../client/expect-call-error.ts'
import { LoopbackServer } from '../client/loopback-server.ts'
import { ask, serveGuarded } from './bare-tls.ts'

const ours = await createAuthority('saas.example')
const partner = await createAuthority('partner.example')
const billing = 'spiffe://saas.example/ns/production/sa/billing'
const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'
const partnerApi = 'spiffe://partner.example/ns/production/sa/api'
const rules = [{ path: '/**', allow: authenticated() }]

/** The trust domains without a bundle, as often as they were reported. */
const missingIn = (events: readonly CountersignEvent[]): unknown =>
  events.flatMap((event) => (event.type === 'source' && event.code === 'bundle_empty' ? [event.trustDomain] : []))

test('reports a trust domain without a bundle at startup and whenever it loses one, and refuses its callers meanwhile', async (context) => {
  const source = await ours.source(billing)
  const service = await serveGuarded(context, { source, rules, trustDomains: ['saas.example', 'partner.example'] })
  const callers = { ours: service.as(await ours.issue(coreApi)), theirs: service.as(await partner.issue(partnerApi)) }
  const answers = async (): Promise<unknown> => [(await ask(callers.ours)).answer, (await ask(callers.theirs)).answer]
  assert.deepEqual(await answers(), [coreApi, undefined])
  assert.deepEqual(missingIn(service.events), ['partner.example'])

  source.replace({ bundles: { 'saas.example': ours, 'partner.example': partner } })
  assert.deepEqual(await answers(), [coreApi, partnerApi])
  source.replace({ bundles: { 'saas.example': ours } })
  assert.deepEqual(await answers(), [coreApi, undefined])
  source.replace({ bundles: { 'saas.example': ours, 'partner.example': '{"keys":[]}' } })
  assert.deepEqual(await answers(), [coreApi, undefined])
  assert.deepEqual(missingIn(service.events), ['partner.example', 'partner.example'])
})

test('refuses a server of a trust domain without a bundle, and reports it at startup, until there is one', async (context) => {
  const source = await ours.source(coreApi)
  const server = await LoopbackServer.start(context, await partner.issue(partnerApi))
  const events: CountersignEvent[] = []
  const fetch = createFetch(source, { servers: [partnerApi, billing], log: (event) => events.push(event) })
  context.after(() => fetch.close())
  assert.deepEqual(missingIn(events), ['partner.example'])
  await expectCallError(fetch(server.url), { code: 'server_untrusted', reason: 'trust_domain_unknown' })
  source.replace({ bundles: { 'saas.example': ours, 'partner.example': partner } })
  assert.equal((await fetch(server.url)).status, 200)
})
