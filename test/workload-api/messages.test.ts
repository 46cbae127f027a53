import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { test } from 'node:test'
import { SourceError } from '@countersign/core'
import { type Authority, createAuthority } from '@countersign/testkit'
import { AgentError, createWorkloadApiClient, workloadApiSource } from '@countersign/workload-api'
import { status } from '@grpc/grpc-js'
import { type Script, startScriptedAgent } from './scripted-agent.ts'
import { nextNotice, pause, waitUntil } from './waiting.ts'

const spiffeId = 'spiffe://saas.example/ns/production/sa/billing'
const authority = await createAuthority('saas.example')
const derOf = ({ certificateDer }: Authority): Buffer => certificateDer

async function createSvidEntry(id: string = spiffeId): Promise<Readonly<Record<string, unknown>>> {
  const svid = await authority.issue(id)
  return {
    spiffe_id: id,
    x509_svid: Buffer.concat(svid.certificates),
    x509_svid_key: createPrivateKey(svid.keyPem).export({ format: 'der', type: 'pkcs8' }),
    bundle: derOf(authority),
  }
}

const entry = await createSvidEntry()

for (const [what, message, code] of [
  ['an invalid SPIFFE ID', { svids: [{ ...entry, spiffe_id: 'https://saas.example/x' }] }, 'bad_scheme'],
  [
    'W-4: a second SVID whose key is missing, although the first was asked for',
    { svids: [entry, { ...entry, x509_svid_key: Buffer.alloc(0) }] },
    'message_malformed',
  ],
  [
    'W-6: a key in PEM',
    { svids: [{ ...entry, x509_svid_key: Buffer.from('-----BEGIN PRIVATE KEY-----') }] },
    'key_malformed',
  ],
  [
    'bytes after the last certificate',
    { svids: [{ ...entry, bundle: Buffer.concat([derOf(authority), Buffer.from([0])]) }] },
    'certificate_trailing_bytes',
  ],
] as const) {
  test(`rejects a message with ${what} as a whole`, async (context) => {
    const { endpoint } = await startScriptedAgent(context, () => ({ messages: [message] }))
    await using source = await workloadApiSource({ endpoint, startWithoutSvid: true })
    const notice = await nextNotice(source)
    assert.deepEqual([notice.outcome, notice.code], ['refused', code])
    assert.throws(() => source.current, { code: 'source_empty' })
    await assert.rejects(createWorkloadApiClient({ endpoint }).fetchX509Svids(), { code })
  })
}

test('W-13: a bundle of our own trust domain among the federated ones does not extend the bundle of the SVID', async (context) => {
  const stranger = await createAuthority('saas.example')
  const message = { svids: [entry], federated_bundles: { 'spiffe://saas.example': derOf(stranger) } }
  const { endpoint } = await startScriptedAgent(context, () => ({ messages: [message] }))
  await using source = await workloadApiSource({ endpoint })
  const { bundles } = source.current
  assert.deepEqual(
    bundles.get('saas.example')?.authorities.map(({ der }) => Buffer.from(der)),
    [derOf(authority)],
  )
})

test('W-9: uses the first of several SVIDs without a hint', async (context) => {
  const other = await createSvidEntry('spiffe://saas.example/ns/production/sa/other')
  const { endpoint } = await startScriptedAgent(context, () => ({ messages: [{ svids: [entry, other] }] }))
  await using source = await workloadApiSource({ endpoint })
  assert.equal(source.current.svid.spiffeId.toString(), spiffeId)
  const svids = await createWorkloadApiClient({ endpoint }).fetchX509Svids()
  assert.equal(svids.length, 2)
})

test('E-7: retries an agent that refuses for a reason in no row', async (context) => {
  const scripts: Script[] = [
    { last: { code: status.RESOURCE_EXHAUSTED, details: 'slow down' } },
    { last: { code: status.UNAUTHENTICATED, details: 'who are you' } },
    { last: { code: status.CANCELLED, details: 'not now' } },
  ]
  const { endpoint } = await startScriptedAgent(context, () => scripts.shift() ?? { messages: [{ svids: [entry] }] })
  await using source = await workloadApiSource({ endpoint, maxRetryMs: 5 })
  assert.equal(source.current.svid.spiffeId.toString(), spiffeId)
  assert.deepEqual(scripts, [])
})

test("an error for a status in no row names endpoint, method, status and the agent's message", async (context) => {
  const last = { code: status.RESOURCE_EXHAUSTED, details: 'slow down' }
  const { endpoint } = await startScriptedAgent(context, () => ({ last }))
  await assert.rejects(createWorkloadApiClient({ endpoint }).fetchX509Svids(), (error) => {
    assert.ok(error instanceof AgentError && error instanceof SourceError)
    assert.deepEqual([error.code, error.grpcCode, error.endpoint], ['agent_failed', 'RESOURCE_EXHAUSTED', endpoint])
    for (const part of ['FetchX509SVID', endpoint, 'RESOURCE_EXHAUSTED', 'slow down']) {
      assert.ok(error.message.includes(part), `found no '${part}' in: ${error.message}`)
    }
    return true
  })
})

test('reports a call that ends without a message', async (context) => {
  const { endpoint } = await startScriptedAgent(context, () => ({ last: 'end' }))
  await assert.rejects(createWorkloadApiClient({ endpoint }).fetchX509Bundles(), { code: 'agent_failed' })
})

test('W-1: retries silently if an agent ends each stream after its message', async (context) => {
  let streams = 0
  const { endpoint } = await startScriptedAgent(context, () => {
    streams += 1
    return { messages: [{ svids: [entry] }], last: 'end' }
  })
  await using source = await workloadApiSource({ endpoint, maxRetryMs: 5 })
  let updates = 0
  source.onUpdate(() => (updates += 1))
  await waitUntil(() => streams > 3)
  assert.equal(updates, 0)
  assert.equal(source.current.svid.spiffeId.toString(), spiffeId)
})

test('W-14: a validation returns claims of every JSON kind', async (context) => {
  const claims = {
    fields: {
      sub: { stringValue: spiffeId },
      aud: { listValue: { values: [{ stringValue: 'billing' }] } },
      exp: { numberValue: 1_900_000_000 },
      flag: { boolValue: false },
      none: { nullValue: 0 },
      deep: { structValue: { fields: { er: { listValue: { values: [] } } } } },
    },
  }
  const { endpoint } = await startScriptedAgent(context, () => ({ messages: [{ spiffe_id: spiffeId, claims }] }))
  const valid = await createWorkloadApiClient({ endpoint }).validateJwtSvid({ audience: 'billing', token: 'a.b.c' })
  assert.equal(valid.spiffeId.toString(), spiffeId)
  assert.deepEqual(valid.claims, {
    sub: spiffeId,
    aud: ['billing'],
    exp: 1_900_000_000,
    flag: false,
    none: null,
    deep: { er: [] },
  })
})

for (const [what, message] of [
  ['SPIFFE ID', { claims: { fields: {} } }],
  ['claims', { spiffe_id: spiffeId }],
  ['kind of a claim', { spiffe_id: spiffeId, claims: { fields: { sub: {} } } }],
] as const) {
  test(`W-4: rejects a validation without ${what}`, async (context) => {
    const { endpoint } = await startScriptedAgent(context, () => ({ messages: [message] }))
    await assert.rejects(
      createWorkloadApiClient({ endpoint }).validateJwtSvid({ audience: 'billing', token: 'a.b.c' }),
      {
        code: 'message_malformed',
      },
    )
  })
}

test('W-4: rejects an empty JWT bundle', async (context) => {
  const message = { bundles: { 'spiffe://saas.example': Buffer.alloc(0) } }
  const { endpoint } = await startScriptedAgent(context, () => ({ messages: [message] }))
  await assert.rejects(createWorkloadApiClient({ endpoint }).fetchJwtBundles(), { code: 'message_malformed' })
})

test('W-1: does not loop if an agent ends each stream after its message', async (context) => {
  let streams = 0
  const { endpoint } = await startScriptedAgent(context, () => {
    streams += 1
    return { messages: [{ svids: [entry] }], last: 'end' }
  })
  await using source = await workloadApiSource({ endpoint })
  await pause(400)
  assert.ok(streams < 8, `found ${streams} streams in 400 ms`)
  await source.close()
})
