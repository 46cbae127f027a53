import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, test, type TestContext } from 'node:test'
import { channels } from '@countersign/core'
import { createAuthority, type SvidFault } from '@countersign/testkit'
import { analyticsService, billing, coreApi, readJson, sendBehindHandshake, start, variants } from './frameworks.ts'
import { isOpensslAsked } from '../support/openssl-asked.ts'

describe('promise 1: a certificate authenticates only if its chain ends in the bundle of the trust domain that its own SPIFFE ID names', async () => {
  const ours = await createAuthority('saas.example')
  const partner = await createAuthority('partner.example')
  const source = await ours.source(billing, { federated: [partner] })
  const trustDomains = ['saas.example', 'partner.example']
  const partnersOwn = 'spiffe://partner.example/ns/production/sa/core-api'

  for (const variant of variants) {
    test(variant.name, async (context) => {
      await using service = await start(variant, { source, trustDomains })
      const published = collectReasons(context)
      const forged = await partner.issue(coreApi, { faults: ['foreign_trust_domain'] })
      await assert.rejects(service.as(forged).fetch('/internal/health'))
      assert.equal(await sendBehindHandshake(service, variant, forged), '')
      const forgedByUs = await ours.issue(partnersOwn, { faults: ['foreign_trust_domain'] })
      await assert.rejects(service.as(forgedByUs).fetch('/internal/health'))

      // With several trust domains OpenSSL has no authorities, so only our verifier decides.
      assert.deepEqual(service.authorized, [false, false, false])
      assert.deepEqual(published, ['unknown_authority', 'unknown_authority', 'unknown_authority'])
      assert.deepEqual(service.handled, [])

      const response = await service.as(await partner.issue(partnersOwn)).fetch('/internal/health')
      assert.deepEqual(await readJson(response), { caller: partnersOwn })
      assert.equal((await service.as(await ours.issue(coreApi)).fetch('/internal/billing/invoices')).status, 200)
    })
  }

  test('refuses a trust domain that has a bundle but is not listed', async () => {
    for (const variant of variants) {
      await using service = await start(variant, { source })
      await assert.rejects(service.as(await partner.issue(partnersOwn)).fetch('/internal/health'))
      assert.deepEqual(service.handled, [], variant.name)
    }
  })
})

describe('promise 2: exactly one URI SAN, a valid SPIFFE ID with a path, a leaf that is no CA and may not sign certificates or CRLs, with digitalSignature, inside its dates', async () => {
  const authority = await createAuthority('saas.example')
  const source = await authority.source(billing)
  const good = await authority.issue(coreApi)
  const faulty = await Promise.all(
    faults.map(async (fault) => ({ fault, svid: await authority.issue(coreApi, { faults: [fault] }) })),
  )

  for (const variant of variants) {
    test(`${variant.name}: no other peer reaches a handler, even with a request sent right after the handshake`, async (context) => {
      await using service = await start(variant, { source })
      const published = collectReasons(context)
      const passedOpenSsl: SvidFault[] = []
      for (const { fault, svid } of faulty) {
        const passed = service.authorized.length
        const refused = published.length
        // In TLS 1.2 a client sends nothing before the server has responded, so it is an ordinary request there.
        assert.equal(await sendBehindHandshake(service, variant, svid), '', fault)
        const [reason, ...more] = published.slice(refused)
        if (!isOpensslAsked || service.authorized.slice(passed).includes(true)) passedOpenSsl.push(fault)
        // OpenSSL refuses to read weak keys and signatures, so our verifier does not see the certificate.
        const isWeak = reason === 'handshake_failed' && (fault === 'weak_key' || fault === 'sha1_signature')
        if (!isWeak) assert.equal(reason, reasons[fault], fault)
        // The request that was sent along is also denied and reported, where Node still parsed it.
        assert.deepEqual(
          more.filter((other) => other !== 'identity_invalid'),
          [],
          fault,
        )
      }
      for (const fault of letThroughByOpenSsl) assert.ok(passedOpenSsl.includes(fault), `${fault} never reached us`)
      // The same bytes reach the handler with a valid SVID.
      assert.notEqual(await sendBehindHandshake(service, variant, good), '')
      assert.deepEqual(service.handled, ['GET /internal/health'])
    })
  }

  test('accepts an SVID that lacks only what a verifier may ignore', async () => {
    for (const fault of ['no_extended_key_usage', 'no_basic_constraints'] as const) {
      const svid = await authority.issue(coreApi, { faults: [fault] })
      for (const variant of variants) {
        await using service = await start(variant, { source })
        assert.equal((await service.as(svid).fetch('/internal/health')).status, 200, `${fault}, ${variant.name}`)
      }
    }
  })
})

describe('promise 4: no header authenticates anyone', async () => {
  const authority = await createAuthority('saas.example')
  const source = await authority.source(billing)
  const [caller, fullCaller] = [await authority.issue(analyticsService), await authority.issue(coreApi)]
  const headers = createForgedHeaders(encodeURIComponent(fullCaller.certificatePem))

  for (const variant of variants) {
    test(variant.name, async () => {
      await using service = await start(variant, { source })
      await assert.rejects(service.as(null).fetch('/internal/health', { headers }))
      assert.deepEqual(service.handled, [])

      const peer = service.as(caller)
      for (const [name, value] of Object.entries(headers)) {
        const denied = await peer.fetch('/internal/billing/invoices', { headers: { [name]: value } })
        assert.equal(denied.status, 403, name)
        const passed = await peer.fetch('/internal/health', { headers: { [name]: value } })
        assert.deepEqual(await readJson(passed), { caller: analyticsService }, name)
      }
      assert.equal((await peer.fetch('/internal/billing/invoices', { headers })).status, 403)
    })
  }
})

/** The reason for each fault that OpenSSL accepts; some versions reject more themselves. */
const reasons = {
  two_uri_sans: 'several_uri_sans',
  no_uri_san: 'no_uri_san',
  no_path: 'spiffe_id_without_path',
  invalid_spiffe_id: 'spiffe_id_invalid',
  https_uri_san: 'spiffe_id_invalid',
  nul_in_uri: 'certificate_malformed',
  foreign_trust_domain: 'trust_domain_unknown',
  san_not_critical_with_empty_subject: 'alternative_name_not_critical',
  ca_leaf: 'leaf_is_ca',
  key_cert_sign: 'leaf_may_sign',
  crl_sign: 'leaf_may_sign',
  no_digital_signature: 'digital_signature_missing',
  no_key_usage: 'key_usage_missing',
  key_usage_not_critical: 'key_usage_not_critical',
  server_auth_only: 'extended_key_usage_incomplete',
  client_auth_only: 'extended_key_usage_incomplete',
  wrong_extended_key_usage: 'extended_key_usage_incomplete',
  expired: 'expired',
  not_yet_valid: 'not_yet_valid',
  unknown_critical_extension: 'unknown_critical_extension',
  duplicate_extension: 'certificate_malformed',
  sha1_signature: 'weak_signature',
  weak_key: 'weak_key',
  bad_signature: 'signature_invalid',
  self_signed: 'unknown_authority',
} satisfies Partial<Record<SvidFault, string>>

const faults = Object.keys(reasons).filter((name): name is keyof typeof reasons => name in reasons)

/** Without these the test would exercise only OpenSSL. */
const letThroughByOpenSsl = [
  'two_uri_sans',
  'no_uri_san',
  'no_path',
  'invalid_spiffe_id',
  'foreign_trust_domain',
  'ca_leaf',
  'key_cert_sign',
  'crl_sign',
  'key_usage_not_critical',
] as const

function createForgedHeaders(certificate: string): Readonly<Record<string, string>> {
  const by = `By=${billing};Hash=${'0'.repeat(64)};URI=${coreApi}`
  return {
    'x-forwarded-client-cert': `${by};Cert="${certificate}"`,
    'client-cert': `:${Buffer.from(certificate).toString('base64')}:`,
    'x-ssl-client-cert': certificate,
    'x-ssl-client-verify': 'SUCCESS',
    'x-ssl-client-s-dn': 'CN=core-api',
    'x-client-cert': certificate,
    'x-client-verify': 'SUCCESS',
    'ssl-client-cert': certificate,
    'x-service-identity': coreApi,
    'x-spiffe-id': coreApi,
    'x-api-key': 'core-api',
    authorization: 'Bearer core-api',
    forwarded: 'for=127.0.0.1;proto=https',
    'x-forwarded-for': '127.0.0.1',
    'x-real-ip': '127.0.0.1',
    'x-original-url': '/internal/health',
    'x-rewrite-url': '/internal/health',
    'x-http-method-override': 'GET',
    'x-middleware-subrequest': 'middleware',
  }
}

/** The reasons of all refusals and denials, because the log only counts repeated ones. */
function collectReasons(context: TestContext): readonly string[] {
  const reasons: string[] = []
  const note = (event: unknown): void => {
    if (typeof event !== 'object' || event === null || !('reason' in event)) return
    if (typeof event.reason === 'string') reasons.push(event.reason)
  }
  for (const name of [channels.authentication, channels.denial]) {
    subscribe(name, note)
    context.after(() => unsubscribe(name, note))
  }
  return reasons
}
