import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { test } from 'node:test'
import type { SourceNotice } from '@countersign/core'
import { type Authority, createAuthority } from '@countersign/testkit'
import type { AgentOptions } from '@countersign/testkit/workload-api'
import { createWorkloadApiClient } from '@countersign/workload-api'
import { issueMany } from '../trust/many-authorities.ts'
import { billing, coreApi, openSource, startBillingAgent } from './agent-service.ts'
import { factsOf } from './facts-of.ts'
import { startScriptedAgent } from './scripted-agent.ts'
import { callAs, connectAs, serveSource, waitForEnd } from './served.ts'
import { nextNotice, nextUpdate } from './waiting.ts'

const authority = await createAuthority('saas.example')
const partner = await createAuthority('partner.example')
const partnerApi = 'spiffe://partner.example/ns/production/sa/api'
const weak = await createAuthority('partner.example', { faults: ['weak_key'] })
const notCa = await createAuthority('partner.example', { faults: ['not_a_ca'] })
const expired = await createAuthority('partner.example', { ttlSeconds: 60, now: Date.now() - 120_000 })

const derOf = ({ certificateDer }: Authority): Buffer => certificateDer

/** Our entry, federated with a partner that publishes these bytes. */
function entriesOf(bundle: Uint8Array): NonNullable<AgentOptions['entries']> {
  const encoded = Buffer.from(bundle).toString('base64')
  const bundlePem = encoded === '' ? '' : `-----BEGIN CERTIFICATE-----\n${encoded}\n-----END CERTIFICATE-----\n`
  return [{ spiffeId: billing, federatesWith: [{ trustDomain: 'partner.example', bundlePem }] }]
}

// What the partner publishes, and the code with which it is reported.
const hostile: readonly (readonly [what: string, bundle: Buffer, code: string | undefined])[] = [
  ['empty', Buffer.alloc(0), undefined],
  ['text', Buffer.from('no bundle'), 'bundle_empty'],
  ['half a certificate', derOf(partner).subarray(0, -1), 'certificate_malformed'],
  ['followed by a byte', Buffer.concat([derOf(partner), Buffer.of(0)]), 'certificate_trailing_bytes'],
  ['300 authorities', Buffer.concat(issueMany(300)), 'bundle_too_large'],
  ['RSA-1024', derOf(weak), 'authority_unusable'],
  ['not a CA', derOf(notCa), 'authority_unusable'],
  ['expired', derOf(expired), 'authority_unusable'],
]

for (const [what, bundle, code] of hostile) {
  test(`W-3, W-13: a federated bundle that is ${what} immediately authenticates no peer, and our rotation continues`, async (context) => {
    const agent = await startBillingAgent(context, { authority, entries: entriesOf(derOf(partner)) })
    const source = await openSource(context, agent)
    const served = await serveSource(context, source, ['saas.example', 'partner.example'])
    assert.equal(await callAs(served, partner, partnerApi), partnerApi)
    const [ours, theirs] = [await connectAs(served, authority), await connectAs(served, partner, partnerApi)]
    const notices: SourceNotice[] = []
    source.onNotice((notice) => notices.push(notice))

    let last = source.current
    for (const entries of [entriesOf(bundle), entriesOf(bundle)]) {
      const next = nextUpdate(source)
      await agent.setEntries(entries)
      const material = await next
      assert.notEqual(material.svid.serialNumber, last.svid.serialNumber)
      assert.deepEqual(material.bundles.get('partner.example')?.authorities, [])
      last = material
    }
    await waitForEnd(theirs)
    assert.equal(await callAs(served, partner, partnerApi), undefined)
    assert.equal(await callAs(served, authority), coreApi)
    assert.equal(ours.closed, false)
    assert.deepEqual(
      notices.map((notice) => [notice.outcome, notice.code, notice.trustDomain]),
      code === undefined ? [] : [['warning', code, 'partner.example']],
    )
    const told = served.events.flatMap((event) => (event.type === 'source' ? [event.code] : []))
    assert.deepEqual(told, [code ?? 'bundle_empty'])
  })

  test(`W-3, W-13: a federated bundle that is ${what} prevents neither a source from starting nor a fetch`, async (context) => {
    const agent = await startBillingAgent(context, { authority, entries: entriesOf(bundle) })
    const source = await openSource(context, agent)
    if (code !== undefined) assert.equal((await nextNotice(source)).code, code)
    const errors: unknown[] = []
    const onError = (error: unknown): void => void errors.push(error)
    const client = createWorkloadApiClient({ endpoint: agent.endpoint })
    const [only] = await client.fetchX509Svids({ onError })
    const bundles = await client.fetchX509Bundles({ onError })
    for (const found of [source.current.bundles, only?.material.bundles, bundles]) {
      assert.equal(found?.get('saas.example')?.authorities.length, 1)
      assert.deepEqual(found.get('partner.example')?.authorities, [])
    }
    assert.deepEqual(
      errors.map(factsOf),
      code === undefined ? [] : Array.from({ length: 2 }, () => [code, 'partner.example']),
    )
  })
}

test('W-13: leaves an unusable authority out of a federated bundle, and keeps the others in use', async (context) => {
  const junk = Buffer.concat([Buffer.of(0x30, 0x81, 0x80), Buffer.alloc(128)])
  const bundle = Buffer.concat([junk, derOf(weak), derOf(expired), derOf(notCa), derOf(partner)])
  const agent = await startBillingAgent(context, { authority, entries: entriesOf(bundle) })
  const source = await openSource(context, agent)
  const served = await serveSource(context, source, ['saas.example', 'partner.example'])
  assert.equal(await callAs(served, partner, partnerApi), partnerApi)
  const notice = await nextNotice(source)
  assert.deepEqual([notice.outcome, notice.trustDomain], ['warning', 'partner.example'])
  assert.match(notice.detail, /1 authority remains in use/)
})

test('W-6: leaves an unusable authority out of our own bundle, and our rotation continues', async (context) => {
  const svid = await authority.issue(billing)
  const own = {
    spiffe_id: billing,
    x509_svid: Buffer.concat(svid.certificates),
    x509_svid_key: createPrivateKey(svid.keyPem).export({ format: 'der', type: 'pkcs8' }),
    bundle: Buffer.concat([derOf(weak), derOf(authority)]),
  }
  const copies = Buffer.concat(Array.from({ length: 1500 }, () => derOf(partner)))
  const message = {
    svids: [own],
    federated_bundles: {
      'spiffe://partner.example': copies,
      'spiffe://Other.example': derOf(partner),
      'other.example': derOf(partner),
      'spiffe://other.example': derOf(weak),
    },
  }
  const { endpoint } = await startScriptedAgent(context, () => ({ messages: [message] }))
  const source = await openSource(context, { endpoint })
  const notices: SourceNotice[] = []
  source.onNotice((notice) => notices.push(notice))
  const counts = [...source.current.bundles].map(([name, { authorities }]) => `${name} ${authorities.length}`)
  assert.deepEqual(counts.toSorted(), ['other.example 0', 'partner.example 1', 'saas.example 1'])
  assert.deepEqual(
    notices.map(({ code, trustDomain }) => [code, trustDomain]),
    [
      ['bundle_malformed', 'other.example'],
      ['authority_unusable', 'saas.example'],
      ['bundle_malformed', undefined],
    ],
  )
})

test('W-8, W-13: an unusable SVID does not prevent fetching the others', async (context) => {
  const [ours, theirs] = [await authority.issue(billing), await partner.issue(partnerApi)]
  const entry = ({ certificates, keyPem }: typeof ours, spiffeId: string, bundle: Buffer): object => ({
    spiffe_id: spiffeId,
    x509_svid: Buffer.concat(certificates),
    x509_svid_key: createPrivateKey(keyPem).export({ format: 'der', type: 'pkcs8' }),
    bundle,
  })
  for (const bundle of [Buffer.alloc(0), Buffer.from('no bundle'), derOf(weak), derOf(authority)]) {
    const svids = [entry(theirs, partnerApi, bundle), entry(ours, billing, derOf(authority))]
    const { endpoint } = await startScriptedAgent(context, () => ({ messages: [{ svids }] }))
    const errors: unknown[] = []
    const found = await createWorkloadApiClient({ endpoint }).fetchX509Svids({ onError: (error) => errors.push(error) })
    assert.deepEqual(
      found.map(({ material }) => material.svid.spiffeId.toString()),
      [billing],
    )
    assert.equal(errors.length, 1)
  }
})
