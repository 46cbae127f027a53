import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import type { GuardOptions } from '@countersign/core'
import { createAuthority, createKey, type TestSvid } from '@countersign/testkit'
import { billing, coreApi, reasonsOf, sendBehindHandshake, start, variants } from '../adapters/frameworks.ts'
import { ask, optionsOf, serveBare, serveGuarded } from './bare-tls.ts'
import { createCollisions } from './collisions.ts'
import { readRequestedNames } from './requested-names.ts'
import { renegotiate } from './tls-probes.ts'
import { withForeignKey } from './foreign-key.ts'

const ours = await createAuthority('saas.example')
const lower = await ours.intermediate()
const partner = await createAuthority('partner.example')
const theirApi = 'spiffe://partner.example/ns/production/sa/core-api'
const trustDomains = ['saas.example', 'partner.example']
const source = await ours.source(billing, { federated: [partner] })
const several: GuardOptions = { source, trustDomains }

describe('with several trust domains OpenSSL has no authorities, and only our verifier checks a chain', () => {
  test('a partner authority with the name of ours blocks none of our callers, and none of its own callers pass as ours', async (context) => {
    const own = [
      await ours.issue(coreApi),
      await ours.issue(coreApi, { keyIdentifiers: false }),
      await lower.issue(coreApi),
      await lower.issue(coreApi, { keyIdentifiers: false }),
    ]
    for (const collision of await createCollisions(ours, lower)) {
      const federated = await ours.source(billing, { federated: [collision.partner] })
      const guarded = await serveGuarded(context, { source: federated, trustDomains })
      for (const svid of own) assert.equal((await ask(guarded.as(svid))).answer, coreApi, collision.name)
      const theirs = await collision.partner.issue(theirApi, { keyIdentifiers: false })
      assert.equal((await ask(guarded.as(theirs))).answer, theirApi, collision.name)
      const forged = await collision.partner.issue(theirApi, { keyIdentifiers: false, uris: [coreApi] })
      assert.equal((await ask(guarded.as(forged))).answer, undefined, collision.name)
    }
  })

  test('depends on how many trust domains are accepted, not on how many have authorities', async (context) => {
    const emptied = await ours.source(billing, { federated: [partner] })
    const running = await serveGuarded(context, { source: emptied, trustDomains })
    emptied.replace({ bundles: { 'saas.example': ours, 'partner.example': '{"keys":[]}' } })
    const started = await serveGuarded(context, { source: emptied, trustDomains })
    for (const guarded of [running, started]) {
      assert.equal((await ask(guarded.as(await ours.issue(coreApi)))).answer, coreApi)
      assert.equal((await ask(guarded.as(await partner.issue(theirApi)))).answer, undefined)
      assert.deepEqual(guarded.authorized, [false, false])
    }
  })

  for (const tlsVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
    test(`refuses in the handshake a certificate that is presented without its key (${tlsVersion})`, async (context) => {
      const guarded = await serveGuarded(context, { ...several, tls: { minVersion: tlsVersion } }, tlsVersion)
      const stolen = withForeignKey(await ours.issue(coreApi), await createKey())
      assert.equal((await ask(guarded.as(stolen))).answer, undefined)
      assert.deepEqual([reasonsOf(guarded), guarded.authorized], [['handshake_failed'], []])
    })

    test(`refuses a peer without a certificate, with and without a session (${tlsVersion})`, async (context) => {
      const guarded = await serveGuarded(context, { ...several, tls: { minVersion: tlsVersion } }, tlsVersion)
      const { answer, session } = await ask(guarded.as(await ours.issue(coreApi)))
      assert.equal(answer, coreApi)
      assert.equal((await ask(guarded.as(null))).answer, undefined)
      assert.equal((await ask(guarded.as(null), {}, session)).answer, undefined)
      // The second one is counted with the first.
      assert.deepEqual(reasonsOf(guarded), ['certificate_missing'])
    })

    test(`a session is not resumed, before and after a rotation (${tlsVersion})`, async (context) => {
      const rotating = await ours.source(billing, { federated: [partner] })
      const guarded = await serveGuarded(
        context,
        { source: rotating, trustDomains, tls: { minVersion: tlsVersion } },
        tlsVersion,
      )
      const resumed: boolean[] = []
      guarded.running.server.on('secureConnection', (socket: TLSSocket) => resumed.push(socket.isSessionReused()))
      const svid = await ours.issue(coreApi)
      const { session } = await ask(guarded.as(svid))
      assert.equal((await ask(guarded.as(svid), {}, session)).answer, coreApi)
      rotating.replace({ svid: await ours.issue(billing) })
      assert.equal((await ask(guarded.as(svid), {}, session)).answer, coreApi)
      assert.deepEqual(resumed, [false, false, false])
    })
  }

  test('a renegotiation fails', { timeout: 20_000 }, async (context) => {
    const guarded = await serveGuarded(context, { ...several, tls: { minVersion: 'TLSv1.2' } }, 'TLSv1.2')
    assert.equal(await renegotiate(guarded.running, await ours.issue(coreApi)), false)
  })

  test('offers callers no names of authorities, before and after a rotation', async (context) => {
    const options: GuardOptions = { ...several, source: await ours.source(billing, { federated: [partner] }) }
    const guarded = await serveGuarded(context, { ...options, tls: { minVersion: 'TLSv1.2' } }, 'TLSv1.2')
    const bare = await serveBare(context, { ...optionsOf(source.svid, ours, partner), maxVersion: 'TLSv1.2' })
    assert.equal((await readRequestedNames(bare.running.port)).length, 2)
    assert.deepEqual(await readRequestedNames(guarded.running.port), [])
  })

  for (const variant of variants) {
    test(`a request sent right after the handshake of a refused peer reaches no handler and is reported once (${variant.name})`, async () => {
      await using service = await start(variant, several)
      const stranger = await createAuthority('saas.example')
      const refused: readonly (readonly [TestSvid | null, string])[] = [
        [await stranger.issue(coreApi), 'signature_invalid'],
        [await partner.issue(coreApi, { faults: ['foreign_trust_domain'], uris: [coreApi] }), 'unknown_authority'],
        [await ours.issue(coreApi, { faults: ['server_auth_only'] }), 'extended_key_usage_incomplete'],
        [null, 'certificate_missing'],
      ]
      for (const [svid, reason] of refused) {
        const before = service.events.length
        assert.equal(await sendBehindHandshake(service, variant, svid), '', reason)
        assert.equal(reasonsOf(service)[before], reason)
      }
      assert.deepEqual(service.handled, [])
      assert.notEqual(await sendBehindHandshake(service, variant, await lower.issue(coreApi)), '')
      assert.deepEqual(service.handled, ['GET /internal/health'])
    })
  }
})
