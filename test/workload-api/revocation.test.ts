import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { test } from 'node:test'
import type { X509Bundle } from '@countersign/core'
import { createAuthority, type TestSvid } from '@countersign/testkit'
import { type AgentSvid, createWorkloadApiClient } from '@countersign/workload-api'
import { UpdateReader } from '../../packages/workload-api/src/x509/read-update.ts'
import { extension } from '../certificate/encode.ts'
import { crlOf, listsOf } from '../trust/crls.ts'
import { billing, coreApi, startBillingAgent, startService } from './agent-service.ts'
import { type Served, serveSource, waitForEnd } from './served.ts'
import { nextNotice, nextUpdate, waitUntil } from './waiting.ts'

const authority = await createAuthority('saas.example')
const partner = await createAuthority('partner.example')
const caller = await authority.issue(coreApi)
const bystander = await authority.issue('spiffe://saas.example/ns/production/sa/analytics')
const foreign = await partner.issue('spiffe://partner.example/ns/production/sa/partner')

test("W-11: an agent's list disconnects and refuses the peer that it names, and no others", async (context) => {
  const { agent, source } = await startService(context, { authority })
  const served = await serveSource(context, source)
  const open = await served.running.as(caller).connect()
  open.resume()
  assert.deepEqual([await isLetIn(served, caller), await isLetIn(served, bystander)], [true, true])
  const next = nextUpdate(source)
  await agent.setCrls([crlOf(authority, { revoked: [caller] })])
  await next
  await waitForEnd(open)
  assert.deepEqual([await isLetIn(served, caller), await isLetIn(served, bystander)], [false, true])
})

test('W-11: refuses all peers of a trust domain whose list is missing in a later message, until there is one', async (context) => {
  const crls = [crlOf(authority)]
  const { agent, source } = await startService(context, { authority, crls })
  const served = await serveSource(context, source)
  assert.equal(await isLetIn(served, caller), true)
  const without = nextUpdate(source)
  await agent.setCrls([])
  await without
  assert.equal(await isLetIn(served, caller), false)
  // The requirement outlives the message that made it, and the next one.
  const rotated = nextUpdate(source)
  await agent.rotate()
  await rotated
  assert.equal(await isLetIn(served, caller), false)
  const again = nextUpdate(source)
  await agent.setCrls(crls)
  await again
  assert.equal(await isLetIn(served, caller), true)
})

test('W-11: refuses all peers while a list is stale', async (context) => {
  const now = Date.now()
  const crls = [crlOf(authority, { thisUpdate: now - 7_200_000, nextUpdate: now - 3_600_000 })]
  const { source } = await startService(context, { authority, crls })
  const served = await serveSource(context, source)
  assert.equal(await isLetIn(served, caller), false)
})

test("W-11: a list applies only to its issuer's trust domain", async (context) => {
  const entries = [{ spiffeId: billing, federatesWith: [partner] }]
  const crls = [crlOf(partner, { revoked: [foreign] })]
  const { source } = await startService(context, { authority, entries, crls })
  const served = await serveSource(context, source, ['saas.example', 'partner.example'])
  assert.deepEqual([await isLetIn(served, caller), await isLetIn(served, foreign)], [true, false])
})

test("W-11: applies the list of an intermediate with our authority's name, beside a partner's bundle", async (context) => {
  const root = await createAuthority('saas.example', { name: 'SPIRE' })
  const lower = await root.intermediate({ name: 'SPIRE' })
  const [listed, other] = [await lower.issue(coreApi), await lower.issue(coreApi)]
  const entries = [{ spiffeId: billing, federatesWith: [partner] }]
  const crls = [crlOf(lower, { revoked: [listed] })]
  const { source } = await startService(context, { authorities: [root, partner], entries, crls })
  const served = await serveSource(context, source)
  assert.deepEqual([await isLetIn(served, other), await isLetIn(served, listed)], [true, false])
})

test('W-11: refuses all peers with an unreadable list of our authority, even beside a current one', async (context) => {
  const unreadable = crlOf(authority, { fields: { extensions: [extension('1.2.3.4', Buffer.of(5, 0), true)] } })
  const { source } = await startService(context, { authority, crls: [crlOf(authority), unreadable] })
  const served = await serveSource(context, source)
  assert.equal(await isLetIn(served, caller), false)
})

test('W-11: expired lists of our authority that a partner republishes block none of our callers', async (context) => {
  const day = 86_400_000
  const replayed = Array.from({ length: 65 }, (_, index) => {
    const thisUpdate = Date.now() - (index + 2) * day
    return crlOf(authority, { thisUpdate, nextUpdate: thisUpdate + day })
  })
  const { source } = await startService(context, { authority, crls: [...replayed, crlOf(authority)] })
  const served = await serveSource(context, source)
  assert.equal(await isLetIn(served, caller), true)
})

test('W-11: a list for an SVID of ours that we did not choose requires none of our own trust domain', async (context) => {
  const entries = [{ spiffeId: billing }, { spiffeId: 'spiffe://partner.example/billing' }]
  const crls = [crlOf(partner)]
  const { source } = await startService(context, { authorities: [authority, partner], entries, crls })
  const served = await serveSource(context, source)
  assert.equal(await isLetIn(served, caller), true)
})

test('W-11: an unreadable list is reported and does not prevent applying anything else', async (context) => {
  const { agent, source } = await startService(context, { authority })
  const before = source.current
  const next = nextUpdate(source)
  await agent.setCrls([Buffer.from('no list')])
  const notice = await nextNotice(source)
  assert.deepEqual([notice.outcome, notice.code], ['warning', 'crl_malformed'])
  await next
  const rotated = nextUpdate(source)
  await agent.rotate()
  assert.notEqual((await rotated).svid.serialNumber, before.svid.serialNumber)
})

test('W-11: refuses all peers of the trust domain that supplied a list if it becomes unreadable', async (context) => {
  const entries = [{ spiffeId: billing, federatesWith: [partner] }]
  const { agent, source } = await startService(context, { authority, entries, crls: [crlOf(partner)] })
  const served = await serveSource(context, source, ['saas.example', 'partner.example'])
  assert.deepEqual([await isLetIn(served, caller), await isLetIn(served, foreign)], [true, true])
  const next = nextUpdate(source)
  await agent.setCrls([crlOf(partner).subarray(0, -1)])
  await next
  assert.deepEqual([await isLetIn(served, caller), await isLetIn(served, foreign)], [true, false])
})

test('W-11: repeated lists notify no listener', async (context) => {
  const crls = [crlOf(authority)]
  const { agent, source } = await startService(context, { authority, crls })
  const before = source.current
  await agent.setCrls([...crls])
  const rotated = nextUpdate(source)
  await agent.rotate()
  const { bundles } = await rotated
  assert.equal(bundles.get('saas.example'), before.bundles.get('saas.example'))
})

test("W-11: a partner's lists, however many and under whatever name, block none of our callers", async (context) => {
  const entries = [{ spiffeId: billing, federatesWith: [partner] }]
  const { agent, source } = await startService(context, { authority, entries })
  const served = await serveSource(context, source, ['saas.example', 'partner.example'])
  const forged = crlOf({ certificateDer: authority.certificateDer, keyPem: partner.keyPem }, { revoked: [caller] })
  const flooded = nextUpdate(source)
  await agent.setCrls([...listsOf(partner, 1024), forged])
  const { bundles } = await flooded
  assert.equal(bundles.get('partner.example')?.requiresCrl, true)
  assert.deepEqual([await isLetIn(served, caller), await isLetIn(served, foreign)], [true, false])
  const withdrawn = nextUpdate(source)
  await agent.setCrls([])
  await withdrawn
  assert.equal(await isLetIn(served, caller), true)
})

test('W-11: decodes and verifies many lists once, in turns, before a message is applied', async () => {
  const { keyPem, certificates } = await authority.issue(billing)
  const svid = {
    spiffeId: billing,
    hint: '',
    certificates: Buffer.concat(certificates),
    key: createPrivateKey(keyPem).export({ type: 'pkcs8', format: 'der' }),
    bundle: authority.certificateDer,
  }
  const federatedBundles = new Map([['spiffe://partner.example', partner.certificateDer]])
  const message = { svids: [svid], federatedBundles, crls: listsOf(authority, 20) }
  const reader = new UpdateReader()
  assert.equal(reader.prepare({ ...message, crls: message.crls.slice(0, 15) }), undefined)
  const preparation = reader.prepare(message)
  assert.ok(preparation)
  await preparation
  assert.equal(reader.prepare(message), undefined)
  assert.equal(reader.readSvid(message, undefined).bundles.get('saas.example')?.revocation.crls.length, 20)
  assert.equal(reader.prepare(message), undefined)
})

test('W-11: bundles without an SVID come with their lists', async (context) => {
  const { endpoint } = await startBillingAgent(context, { authority, crls: [crlOf(authority)] })
  const client = createWorkloadApiClient({ endpoint })
  const [svid] = await client.fetchX509Svids()
  const bundles = await client.fetchX509Bundles()
  assert.equal(bundles.get('saas.example')?.requiresCrl, true)
  assert.equal(svid?.material.bundles.get('saas.example')?.requiresCrl, true)
})

test('W-11: a watcher of all SVIDs sees a requirement for as long as the watch lasts, and no longer', async (context) => {
  const agent = await startBillingAgent(context, { authority, crls: [crlOf(authority)] })
  const client = createWorkloadApiClient({ endpoint: agent.endpoint })
  const seen: (readonly AgentSvid[])[] = []
  context.after(client.watchX509Svids({ onUpdate: (svids) => seen.push(svids) }))
  await waitUntil(() => seen.length === 1)
  await agent.setCrls([])
  await waitUntil(() => seen.length === 2)
  await agent.rotate()
  await waitUntil(() => seen.length === 3)
  const demands = seen.map(([svid]) => svid?.material.bundles.get('saas.example')?.requiresCrl)
  assert.deepEqual(demands, [true, true, true])

  const later: (readonly AgentSvid[])[] = []
  context.after(client.watchX509Svids({ onUpdate: (svids) => later.push(svids) }))
  await waitUntil(() => later.length === 1)
  assert.equal(later[0]?.[0]?.material.bundles.get('saas.example')?.requiresCrl, false)
})

test('W-11: a watcher of all bundles sees the requirements of the trust domains that supplied a list', async (context) => {
  const entries = [{ spiffeId: billing, federatesWith: [partner] }]
  const agent = await startBillingAgent(context, { authority, entries, crls: [crlOf(partner)] })
  const client = createWorkloadApiClient({ endpoint: agent.endpoint })
  const seen: ReadonlyMap<string, X509Bundle>[] = []
  context.after(client.watchX509Bundles({ onUpdate: (bundles) => seen.push(bundles) }))
  await waitUntil(() => seen.length === 1)
  await agent.setCrls([])
  await waitUntil(() => seen.length === 2)
  const demands = seen.map((bundles) =>
    ['saas.example', 'partner.example'].map((name) => bundles.get(name)?.requiresCrl),
  )
  assert.deepEqual(demands, [
    [false, true],
    [false, true],
  ])
  assert.equal((await client.fetchX509Bundles()).get('partner.example')?.requiresCrl, false)
})

async function isLetIn({ running }: Served, svid: TestSvid): Promise<boolean> {
  await using peer = running.as(svid)
  return await peer.fetch('/').then(
    ({ status }) => status === 200,
    () => false,
  )
}
