import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAuthority } from '@countersign/testkit'
import { type AgentOptions, startAgent } from '@countersign/testkit/workload-api'
import { billing, openAgent } from './open-agent.ts'
import { RawClient } from './raw-client.ts'

const impossible: Readonly<Record<string, AgentOptions>> = {
  'no authority': { authorities: [] },
  'two names for the authority': { trustDomain: 'saas.example', authorities: [] },
  'a host that others can reach': { trustDomain: 'saas.example', endpoint: 'tcp://0.0.0.0:0' },
  'a path that no socket can have': { trustDomain: 'saas.example', endpoint: `unix:///tmp/${'long'.repeat(30)}` },
  'an entry of a trust domain without an authority': {
    trustDomain: 'saas.example',
    entries: [{ spiffeId: 'spiffe://a/b' }],
  },
  'an entry without a path': { trustDomain: 'saas.example', entries: [{ spiffeId: 'spiffe://saas.example' }] },
  'a lifetime of less than a second': {
    trustDomain: 'saas.example',
    entries: [{ spiffeId: billing, ttlSeconds: 0.5 }],
  },
  'a hint that is too long': { trustDomain: 'saas.example', entries: [{ spiffeId: billing, hint: 'x'.repeat(1025) }] },
  'a partner that is not known': {
    trustDomain: 'saas.example',
    entries: [{ spiffeId: billing, federatesWith: ['partner.example'] }],
  },
  'a late socket on any port': {
    trustDomain: 'saas.example',
    endpoint: 'tcp://127.0.0.1:0',
    faults: [{ name: 'no_socket' }],
  },
  'a fault without effect': { trustDomain: 'saas.example', faults: [{ name: 'unavailable', times: 0 }] },
}

for (const [what, options] of Object.entries(impossible)) {
  test(`an agent with ${what} does not start`, async () => {
    await assert.rejects(startAgent(options), { code: 'option_invalid' })
  })
}

test('an authority of another trust domain is rejected, and the agent continues', async (context) => {
  const agent = await openAgent(context)
  const authority = await createAuthority('other.example')
  const stream = new RawClient(context, agent).x509Svids()
  await stream.next()
  await assert.rejects(agent.setAuthority(authority), { code: 'option_invalid' })
  await assert.rejects(agent.restart({ authority }), { code: 'option_invalid' })
  await agent.rotate()
  await stream.next()
})
