import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import { createAuthority } from '@countersign/testkit'
import type { Agent, AgentFault } from '@countersign/testkit/workload-api'
import { billing, openAgent } from './open-agent.ts'
import { RawClient, type X509SvidResponse } from './raw-client.ts'

type RefusingFault = 'unavailable' | 'permission_denied' | 'invalid_argument' | 'unimplemented' | 'internal'

const statuses: Readonly<Record<RefusingFault, string>> = {
  unavailable: 'UNAVAILABLE',
  permission_denied: 'PERMISSION_DENIED',
  invalid_argument: 'INVALID_ARGUMENT',
  unimplemented: 'UNIMPLEMENTED',
  internal: 'INTERNAL',
}

for (const fault of ['unavailable', 'permission_denied', 'invalid_argument', 'unimplemented', 'internal'] as const) {
  test(`${fault} ends open streams and every call until it is healed`, async (context) => {
    const agent = await openAgent(context)
    const client = new RawClient(context, agent)
    const stream = client.x509Svids()
    await stream.next()
    await agent.fail(fault)
    const ended = { code: statuses[fault] }
    await assert.rejects(stream.next(), ended)
    await assert.rejects(client.x509Svids().next(), ended)
    await assert.rejects(client.jwtBundles().next(), ended)
    await assert.rejects(client.jwtSvids(['core-api']), ended)
    await agent.heal()
    await client.x509Svids().next()
  })
}

test('a fault ends by itself after the given number of answers, and does not affect other methods', async (context) => {
  const agent = await openAgent(context, { faults: [{ name: 'unavailable', times: 3, method: 'FetchX509SVID' }] })
  const client = new RawClient(context, agent)
  for (let count = 0; count < 3; count += 1) {
    await client.x509Bundles().next()
    await assert.rejects(client.x509Svids().next(), { code: 'UNAVAILABLE' })
  }
  await client.x509Svids().next()
  assert.equal(agent.calls.filter(({ method }) => method === 'FetchX509SVID').length, 4)
})

test('active faults are applied in turn, and healed one by one', async (context) => {
  const agent = await openAgent(context)
  const client = new RawClient(context, agent)
  await agent.fail('empty_key')
  await agent.fail('unimplemented', { method: 'ValidateJWTSVID' })
  await agent.fail('empty_svid')
  const [svid] = (await client.x509Svids().next()).svids
  assert.deepEqual([svid?.x509_svid.length, svid?.x509_svid_key.length], [0, 0])
  await assert.rejects(client.validate('core-api', 'token'), { code: 'UNIMPLEMENTED' })
  await agent.heal('empty_key')
  const [half] = (await client.x509Svids().next()).svids
  assert.deepEqual([half?.x509_svid.length, (half?.x509_svid_key.length ?? 0) > 0], [0, true])
})

test('clean_end ends a stream without an error', async (context) => {
  const agent = await openAgent(context)
  const stream = new RawClient(context, agent).x509Svids()
  await stream.next()
  await agent.fail('clean_end', { times: 1 })
  await assert.rejects(stream.next(), { code: 'OK' })
  await new RawClient(context, agent).x509Svids().next()
})

test('broken_message is not a valid message', async (context) => {
  const agent = await openAgent(context)
  const client = new RawClient(context, agent)
  const stream = client.x509Svids()
  await stream.next()
  await agent.fail('broken_message')
  await assert.rejects(stream.next(), { code: 'INTERNAL' })
  await assert.rejects(client.jwtSvids(['core-api']), { code: 'INTERNAL' })
})

test('silent leaves calls unanswered until the next message', async (context) => {
  const agent = await openAgent(context, { faults: [{ name: 'silent', times: 1 }] })
  const stream = new RawClient(context, agent).x509Svids()
  const first = stream.next()
  await waitForCall(agent)
  await agent.rotate()
  await first
})

test('slow answers arrive late and in order, and are dropped with the agent', async (context) => {
  const agent = await openAgent(context, { faults: [{ name: 'slow', times: 1, delayMs: 50 }] })
  const stream = new RawClient(context, agent).x509Svids()
  const first = stream.next()
  await waitForCall(agent)
  await agent.setEntries([{ spiffeId: `${billing}-2` }])
  assert.equal((await first).svids[0]?.spiffe_id, billing)
  assert.equal((await stream.next()).svids[0]?.spiffe_id, `${billing}-2`)

  await agent.fail('slow', { delayMs: 3_600_000 })
  const never = assert.rejects(new RawClient(context, agent).x509Svids().next(), { code: 'UNAVAILABLE' })
  await waitForCall(agent, 2)
  await agent.close()
  await never
})

test('no_socket keeps the socket away at startup, and removes it later', async (context) => {
  const agent = await openAgent(context, { faults: [{ name: 'no_socket' }] })
  const gone = { code: 'UNAVAILABLE' }
  await assert.rejects(new RawClient(context, agent).x509Svids().next(), gone)
  await agent.heal()
  const stream = new RawClient(context, agent).x509Svids()
  await stream.next()
  await agent.fail('no_socket', { delayMs: 50 })
  await assert.rejects(stream.next(), gone)
  await waitForSvids(context, agent)
})

type SvidChange = (message: X509SvidResponse, right: X509SvidResponse) => void

/** What each fault does to an X509SVIDResponse with one SVID. */
const svidFaults = {
  no_svids: ({ svids }) => assert.deepEqual(svids, []),
  empty_spiffe_id: ({ svids }) => assert.equal(svids[0]?.spiffe_id, ''),
  empty_svid: ({ svids }) => assert.equal(svids[0]?.x509_svid.length, 0),
  empty_key: ({ svids }) => assert.equal(svids[0]?.x509_svid_key.length, 0),
  empty_bundle: ({ svids }) => assert.equal(svids[0]?.bundle.length, 0),
  empty_federated_bundle: ({ federated_bundles }) =>
    assert.deepEqual(Object.values(federated_bundles), [Buffer.alloc(0)]),
  broken_der: ({ svids }) => assert.throws(() => new X509Certificate(svids[0]?.x509_svid ?? '')),
  broken_key: ({ svids }) => assert.throws(() => readKey(svids[0]?.x509_svid_key)),
  broken_bundle: ({ svids }) => assert.throws(() => new X509Certificate(svids[0]?.bundle ?? '')),
  wrong_key: ({ svids }) => {
    assert.ok(svids[0])
    assert.equal(new X509Certificate(svids[0].x509_svid).checkPrivateKey(readKey(svids[0].x509_svid_key)), false)
  },
  other_spiffe_id: ({ svids }, right) => {
    assert.equal(svids[0]?.spiffe_id, `${billing}-other`)
    assert.deepEqual(svids[0]?.x509_svid, right.svids[0]?.x509_svid)
  },
  expired_svid: ({ svids }) => {
    assert.ok(svids[0])
    const leaf = new X509Certificate(svids[0].x509_svid)
    assert.ok(Date.parse(leaf.validTo) < Date.now())
    assert.ok(leaf.checkPrivateKey(readKey(svids[0].x509_svid_key)))
    assert.equal(leaf.subjectAltName, `URI:${billing}`)
  },
  duplicate_hint: ({ svids }) =>
    assert.deepEqual(
      svids.map(({ hint }) => hint),
      ['internal', 'internal'],
    ),
} satisfies Partial<Record<AgentFault, SvidChange>>

for (const [name, check] of Object.entries<SvidChange>(svidFaults)) {
  test(`${name} corrupts one message on an open stream, and healing sends the correct one`, async (context) => {
    const fault = Object.keys(svidFaults).find((key): key is keyof typeof svidFaults => key === name)
    assert.ok(fault)
    const agent = await openAgent(context)
    const client = new RawClient(context, agent)
    const [stream, bundles] = [client.x509Svids(), client.x509Bundles()]
    const right = await stream.next()
    await bundles.next()
    await agent.fail(fault, { times: 1, method: 'FetchX509SVID' })
    check(await stream.next(), right)
    await agent.heal()
    assert.deepEqual(await stream.next(), right)
    assert.deepEqual((await bundles.next()).bundles['spiffe://saas.example'], right.svids[0]?.bundle)
  })
}

test('bundles can be empty, broken or absent on their own', async (context) => {
  const agent = await openAgent(context)
  const client = new RawClient(context, agent)
  const fetchBoth = async (): Promise<readonly (readonly Buffer[])[]> =>
    Promise.all(
      [client.x509Bundles(), client.jwtBundles()].map(async (one) => Object.values((await one.next()).bundles)),
    )
  await agent.fail('empty_bundle')
  assert.deepEqual(await fetchBoth(), [[Buffer.alloc(0)], [Buffer.alloc(0)]])
  await agent.heal()
  await agent.fail('no_bundles')
  assert.deepEqual(await fetchBoth(), [[], []])
  await agent.heal()
  await agent.fail('broken_bundle')
  const [[der = Buffer.alloc(0)] = [], [set] = []] = await fetchBoth()
  assert.throws(() => new X509Certificate(der))
  assert.throws(() => JSON.parse(set?.toString() ?? ''))
})

test('JWT-SVIDs and their validation can also have empty fields', async (context) => {
  const agent = await openAgent(context)
  const client = new RawClient(context, agent)
  const [right] = (await client.jwtSvids(['core-api'])).svids
  const token = right?.svid ?? ''
  await agent.fail('empty_spiffe_id')
  assert.equal((await client.jwtSvids(['core-api'])).svids[0]?.spiffe_id, '')
  assert.equal((await client.validate('core-api', token)).spiffe_id, '')
  await agent.fail('empty_svid')
  assert.equal((await client.jwtSvids(['core-api'])).svids[0]?.svid, '')
  await agent.fail('empty_claims')
  assert.equal((await client.validate('core-api', token)).claims, null)
  await agent.fail('no_svids')
  assert.deepEqual((await client.jwtSvids(['core-api'])).svids, [])
})

test('a federated bundle can be empty beside a valid one', async (context) => {
  const partner = await createAuthority('partner.example')
  const agent = await openAgent(context, { entries: [{ spiffeId: billing, federatesWith: [partner] }] })
  await agent.fail('empty_federated_bundle')
  const message = await new RawClient(context, agent).x509Svids().next()
  assert.deepEqual(message.federated_bundles, { 'spiffe://partner.example': Buffer.alloc(0) })
})

async function waitForCall(agent: Agent, count: number = 1): Promise<void> {
  while (agent.calls.length < count) await new Promise(setImmediate)
}

/** Retries until the socket exists again. */
async function waitForSvids(context: TestContext, agent: Agent): Promise<X509SvidResponse> {
  for (;;) {
    try {
      return await new RawClient(context, agent).x509Svids().next()
    } catch {
      await new Promise((resolve) => {
        setTimeout(resolve, 10)
      })
    }
  }
}

function readKey(der: Buffer = Buffer.alloc(0)): ReturnType<typeof createPrivateKey> {
  return createPrivateKey({ key: der, type: 'pkcs8', format: 'der' })
}
