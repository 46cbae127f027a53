import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAuthority } from '@countersign/testkit'
import { billing, coreApi, reasonsOf } from '../adapters/frameworks.ts'
import { ask, serveGuarded } from './bare-tls.ts'

const root = await createAuthority('saas.example')
const theirApi = 'spiffe://partner.example/ns/production/sa/core-api'

test('authenticates callers with a new intermediate on every version of Node, before and after our own rotates', async (context) => {
  const nested = await root.intermediate({ name: 'nested' })
  const source = await nested.source(billing)
  const guarded = await serveGuarded(context, { source })
  assert.equal((await ask(guarded.as(await nested.issue(coreApi)))).answer, coreApi)

  const next = await root.intermediate({ name: 'nested' })
  const below = await next.intermediate({ name: 'below' })
  for (const authority of [next, below]) {
    assert.equal((await ask(guarded.as(await authority.issue(coreApi)))).answer, coreApi)
  }
  source.replace({ svid: await next.issue(billing) })
  for (const authority of [nested, below, await root.intermediate({ name: 'nested' })]) {
    assert.equal((await ask(guarded.as(await authority.issue(coreApi)))).answer, coreApi)
  }
  assert.deepEqual(reasonsOf(guarded), [])
})

test("authenticates a partner's callers only with the intermediates that they present", async (context) => {
  const partner = await createAuthority('partner.example')
  const nested = await partner.intermediate()
  const source = await root.source(billing, { federated: [partner] })
  const guarded = await serveGuarded(context, { source, trustDomains: ['saas.example', 'partner.example'] })
  const svid = await nested.issue(theirApi)
  const [certificatePem = ''] = svid.certificatePem.split(/(?<=-----END CERTIFICATE-----\n)/)

  assert.equal((await ask(guarded.as({ ...svid, certificatePem }))).answer, undefined)
  assert.deepEqual(reasonsOf(guarded), ['unknown_authority'])
  assert.equal((await ask(guarded.as(svid))).answer, theirApi)
})
