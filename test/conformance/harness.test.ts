import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAuthority, type SvidFault } from '@countersign/testkit'
import { startAgent } from '@countersign/testkit/workload-api'
import { Harness } from './start-harness.ts'
import { until } from './until.ts'

const billing = 'spiffe://saas.example/ns/production/sa/billing'
const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'
const partnerId = 'spiffe://partner.example/partner'

// What no peer may present (X509-SVID §5.2, RFC 5280 §6).
const wrongs: readonly SvidFault[] = [
  'two_uri_sans',
  'no_uri_san',
  'no_path',
  'invalid_spiffe_id',
  'https_uri_san',
  'nul_in_uri',
  'foreign_trust_domain',
  'ca_leaf',
  'key_cert_sign',
  'crl_sign',
  'no_digital_signature',
  'no_key_usage',
  'server_auth_only',
  'expired',
  'not_yet_valid',
  'unknown_critical_extension',
  'bad_signature',
  'self_signed',
]

// For a server, the other usage must not be the only one.
const wrongsOfServers = [...wrongs.filter((fault) => fault !== 'server_auth_only'), 'client_auth_only'] as const

// A process takes a second to start, so one harness handles all cases of one agent.

test('EP: prints version and ports, then READY, and exits on SIGTERM', async (context) => {
  await using agent = await startAgent({ trustDomain: 'saas.example', entries: [{ spiffeId: billing }] })
  const harness = new Harness(context, agent.endpoint)
  await harness.read('READY')
  const { lines } = harness
  assert.equal(lines[0], 'SPIFFE_HARNESS_VERSION=1')
  assert.match(lines[1] ?? '', /^SPIFFE_X509_PORT=\d+$/)
  assert.match(lines[2] ?? '', /^SPIFFE_CONTROL_PORT=\d+$/)
  assert.equal(lines[3], 'READY')
  assert.ok(agent.calls.every(({ hasHeader }) => hasHeader))
  assert.equal(await harness.stop(), 0)
  assert.equal(harness.lines.length, 4)
})

test('EP: never becomes ready for an address with an authority', async (context) => {
  const harness = new Harness(context, 'unix://tmp/agent.sock')
  assert.notEqual(await harness.ended(), 0)
  assert.ok(!harness.lines.includes('READY'))
})

test('EP: becomes ready for an agent that is first unavailable and then denies', async (context) => {
  await using agent = await startAgent({
    trustDomain: 'saas.example',
    entries: [{ spiffeId: billing }],
    endpoint: 'tcp://127.0.0.1:0',
    faults: [
      { name: 'unavailable', times: 2, method: 'FetchX509SVID' },
      { name: 'permission_denied', times: 1, method: 'FetchX509SVID' },
    ],
  })
  const harness = new Harness(context, agent.endpoint)
  await harness.read('READY')
  assert.equal(agent.calls.filter(({ method }) => method === 'FetchX509SVID').length, 3)
})

test('WA, XS: shows the newest SVID, keeps it after an invalid message, and shows none after PermissionDenied', async (context) => {
  const authority = await createAuthority('saas.example')
  await using agent = await startAgent({ authority, entries: [{ spiffeId: billing }] })
  const peer = await authority.issue(coreApi)
  const harness = new Harness(context, agent.endpoint)
  await harness.read('READY')
  const first = (await harness.meet(peer)).shown
  assert.ok(first !== undefined)

  await agent.rotate()
  const second = await until(
    () => harness.meet(peer),
    ({ shown }) => shown !== undefined && !shown.equals(first),
  )
  assert.equal(second.told, `${coreApi}\n`)

  await agent.fail('empty_key', { times: 1 })
  assert.deepEqual(await harness.meet(peer), second)

  await agent.setEntries([])
  await until(
    () => harness.meet(peer),
    ({ told, shown }) => told === '' && shown === undefined,
  )
  await agent.setEntries([{ spiffeId: billing }])
  await until(
    () => harness.meet(peer),
    ({ told }) => told === `${coreApi}\n`,
  )
})

test('XV: tells a valid peer its ID, and disconnects any other without a byte', async (context) => {
  const authority = await createAuthority('saas.example')
  const stranger = await createAuthority('saas.example')
  await using agent = await startAgent({ authority, entries: [{ spiffeId: billing }] })
  const harness = new Harness(context, agent.endpoint)
  await harness.read('READY')
  assert.equal((await harness.meet(await authority.issue(coreApi))).told, `${coreApi}\n`)
  assert.equal((await harness.meet(null)).told, '')
  assert.equal((await harness.meet(await stranger.issue(coreApi))).told, '')
  for (const fault of wrongs) {
    const { told } = await harness.meet(await authority.issue(coreApi, { faults: [fault] }))
    assert.equal(told, '', `${fault} was let in`)
  }
})

test('XF: accepts a federated peer while its bundle is present, only under its own name', async (context) => {
  const authority = await createAuthority('saas.example')
  const partner = await createAuthority('partner.example')
  await using agent = await startAgent({ authority, entries: [{ spiffeId: billing }] })
  const harness = new Harness(context, agent.endpoint)
  await harness.read('READY')
  const peer = await partner.issue(partnerId)
  assert.equal((await harness.meet(peer)).told, '')

  await agent.setEntries([{ spiffeId: billing, federatesWith: [partner] }])
  await until(
    () => harness.meet(peer),
    ({ told }) => told === `${partnerId}\n`,
  )
  const forged = await partner.issue(coreApi, { faults: ['foreign_trust_domain'] })
  assert.equal((await harness.meet(forged)).told, '')

  await agent.setEntries([{ spiffeId: billing }])
  await until(
    () => harness.meet(peer),
    ({ told }) => told === '',
  )
})

test('XV, XF: connects to a server with any ID, and rejects every unauthenticated one', async (context) => {
  const authority = await createAuthority('saas.example')
  const stranger = await createAuthority('saas.example')
  const partner = await createAuthority('partner.example')
  await using agent = await startAgent({ authority, entries: [{ spiffeId: billing, federatesWith: [partner] }] })
  const harness = new Harness(context, agent.endpoint)
  await harness.read('READY')
  for (const svid of [await authority.issue(coreApi), await partner.issue(partnerId)]) {
    const { status, body } = await harness.dial(svid)
    assert.deepEqual({ status, body }, { status: 200, body: { spiffe_id: svid.spiffeId, status: 'ok' } })
  }
  for (const fault of wrongsOfServers) {
    const { status } = await harness.dial(await authority.issue(coreApi, { faults: [fault] }))
    assert.equal(status, 422, `${fault} was let in`)
  }
  const forgeries = [
    await stranger.issue(coreApi),
    await partner.issue(partnerId, { faults: ['foreign_trust_domain'], uris: [coreApi] }),
  ]
  for (const svid of forgeries) assert.equal((await harness.dial(svid)).status, 422)

  await agent.setEntries([{ spiffeId: billing }])
  const theirs = await partner.issue(partnerId)
  await until(
    () => harness.dial(theirs),
    ({ status }) => status === 422,
  )
})

test('the control port answers 200, 422 and 501 depending on the request', async (context) => {
  await using agent = await startAgent({ trustDomain: 'saas.example', entries: [{ spiffeId: billing }] })
  const harness = new Harness(context, agent.endpoint)
  await harness.read('READY')
  assert.equal((await harness.ask('GET', '/v1/info')).status, 200)
  assert.equal((await harness.ask('POST', '/v1/x509/dial', { address: '127.0.0.1:1' })).status, 500)
  assert.equal((await harness.ask('POST', '/v1/none')).status, 501)

  const fetched = await harness.ask('POST', '/v1/jwt/fetch', { audience: ['conformance'], spiffe_id: billing })
  assert.equal(fetched.status, 200)
  const token = readToken(fetched.body)
  const valid = await harness.ask('POST', '/v1/jwt/validate', { token, audience: 'conformance' })
  assert.equal(valid.status, 200)
  assert.ok(typeof valid.body === 'object' && valid.body !== null && 'spiffe_id' in valid.body)
  assert.equal(valid.body.spiffe_id, billing)

  assert.equal((await harness.ask('POST', '/v1/jwt/validate', { token, audience: 'other' })).status, 422)
  assert.equal((await harness.ask('POST', '/v1/jwt/fetch', { audience: [] })).status, 500)
  await agent.fail('unavailable')
  assert.equal((await harness.ask('POST', '/v1/jwt/fetch', { audience: ['conformance'] })).status, 500)
  await agent.heal()
  await agent.fail('unimplemented', { method: 'FetchJWTSVID' })
  assert.equal((await harness.ask('POST', '/v1/jwt/fetch', { audience: ['conformance'] })).status, 501)
})

function readToken(body: unknown): unknown {
  assert.ok(
    typeof body === 'object' && body !== null && 'status' in body && 'svids' in body && Array.isArray(body.svids),
  )
  assert.equal(body.status, 'ok')
  const svid: unknown = body.svids[0]
  assert.ok(typeof svid === 'object' && svid !== null && 'token' in svid && 'hint' in svid)
  return svid.token
}
