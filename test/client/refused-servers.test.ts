import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { CallError, type CallErrorCode } from '@countersign/core'
import { createAuthority, type TestSource, type TestSvid } from '@countersign/testkit'
import { type Call, callers } from './callers.ts'
import { LoopbackServer } from './loopback-server.ts'

const billing = 'spiffe://saas.example/ns/production/sa/billing'
const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'
const theirBilling = 'spiffe://partner.example/ns/production/sa/billing'

const saas = await createAuthority('saas.example')
const partner = await createAuthority('partner.example')
const impostor = await createAuthority('saas.example')

interface Refusal {
  readonly name: string
  readonly shown: () => Promise<TestSvid>
  readonly code: CallErrorCode
  readonly reason: string
}

const refusals: readonly Refusal[] = [
  {
    name: 'another SPIFFE ID of the same trust domain',
    shown: () => saas.issue('spiffe://saas.example/ns/production/sa/analytics'),
    code: 'server_unexpected',
    reason: 'server_unexpected',
  },
  {
    name: 'another trust domain with the same path',
    shown: () => partner.issue(theirBilling),
    code: 'server_unexpected',
    reason: 'server_unexpected',
  },
  {
    name: 'an expired SVID',
    shown: () => saas.issue(billing, { faults: ['expired'] }),
    code: 'server_untrusted',
    reason: 'expired',
  },
  {
    name: 'an SVID signed by another trust domain',
    shown: () => partner.issue(billing, { faults: ['foreign_trust_domain'], uris: [billing] }),
    code: 'server_untrusted',
    reason: 'unknown_authority',
  },
  {
    name: 'an SVID signed by an authority with the same name',
    shown: () => impostor.issue(billing),
    code: 'server_untrusted',
    reason: 'signature_invalid',
  },
  {
    name: 'two URI SANs',
    shown: () => saas.issue(billing, { faults: ['two_uri_sans'] }),
    code: 'server_untrusted',
    reason: 'several_uri_sans',
  },
  {
    name: 'no SPIFFE ID',
    shown: () => saas.issue(billing, { faults: ['no_uri_san'], dnsNames: ['localhost'] }),
    code: 'server_untrusted',
    reason: 'no_uri_san',
  },
  {
    name: 'a certificate for clients only',
    shown: () => saas.issue(billing, { faults: ['client_auth_only'] }),
    code: 'server_untrusted',
    reason: 'extended_key_usage_incomplete',
  },
  {
    name: 'an authority for clients only',
    shown: async () => (await saas.intermediate({ extendedKeyUsages: ['clientAuth'] })).issue(billing),
    code: 'server_untrusted',
    reason: 'wrong_extended_key_usage',
  },
  {
    name: 'a certificate that may sign others',
    shown: () => saas.issue(billing, { faults: ['ca_leaf'] }),
    code: 'server_untrusted',
    reason: 'leaf_is_ca',
  },
]

for (const [routing, caller] of callers) {
  for (const { name, shown, code, reason } of refusals) {
    test(`${routing} refuses a server with ${name}, before and after rotation`, async (context) => {
      const { source, call } = await arrange(context, caller)
      const server = await LoopbackServer.start(context, await shown())
      await refuses(call, server, { code, reason })
      source.replace({ svid: await saas.issue(coreApi) })
      await refuses(call, server, { code, reason })
      assert.equal(server.requests.length, 0)
    })

    test(`${routing} refuses a server that presents ${name} after a valid certificate`, async (context) => {
      const { source, call } = await arrange(context, caller)
      const server = await LoopbackServer.start(context, await saas.issue(billing))
      assert.equal(await call(server.url), source.svid.serialNumber)
      server.show(await shown())
      // The verified connection is kept until we rotate.
      assert.equal(await call(server.url), source.svid.serialNumber)
      source.replace({ svid: await saas.issue(coreApi) })
      await refuses(call, server, { code, reason })
      assert.equal(server.requests.length, 2)
    })
  }
}

async function arrange(
  context: TestContext,
  caller: (typeof callers)[number][1],
): Promise<{ readonly source: TestSource; readonly call: Call }> {
  const source = await saas.source(coreApi, { federated: [partner] })
  return { source, call: caller(context, source, [billing]) }
}

async function refuses(
  call: Call,
  server: LoopbackServer,
  expected: { readonly code: CallErrorCode; readonly reason: string },
): Promise<void> {
  await assert.rejects(call(server.url), (error) => {
    assert.ok(error instanceof CallError, String(error))
    assert.deepEqual({ code: error.code, reason: error.reason }, expected, error.message)
    assert.equal(error.server, `127.0.0.1:${server.port}`)
    return true
  })
}
