import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CertificateError, type CertificateErrorCode, createGuard, createMaterial } from '@countersign/core'
import { createAuthority, createKey } from '@countersign/testkit'
import { billing, coreApi, reasonsOf, rules } from '../adapters/frameworks.ts'
import { bundlesOf, reasonOf, verify } from '../svid/claims.ts'
import { isOpensslAsked } from '../support/openssl-asked.ts'
import { ask, optionsOf, serveBare, serveGuarded } from './bare-tls.ts'

describe('what Node does with the authorities in `ca`', { concurrency: true }, async () => {
  const ours = await createAuthority('saas.example')
  const source = await ours.source(billing)
  const caller = await ours.issue(coreApi)
  const { svid: own } = source

  test('a `ca` of 600 authorities breaks every handshake, so a guard offers only those of its trust domains', async (context) => {
    const key = await createKey()
    const many = await Promise.all(
      Array.from({ length: 600 }, (_, index) => {
        const subject = {
          O: 'An organization whose name alone is quite long, in several words',
          CN: `authority number ${index}`,
        }
        return createAuthority(`partner-${index % 20}.example`, { key, subject })
      }),
    )
    const bare = await serveBare(context, optionsOf(own, ours, ...many))
    assert.equal((await ask(bare.as(caller))).answer, undefined)

    const federated = await ours.source(billing, { federated: many })
    // If OpenSSL does not verify callers, it receives no authorities at all.
    assert.equal(createGuard({ source: federated, rules }).tlsOptions().ca.length, isOpensslAsked ? 1 : 0)
    const guarded = await serveGuarded(context, { source: federated })
    assert.equal((await ask(guarded.as(caller))).answer, coreApi)
  })

  test('reports two authorities with the same name and no key ids, and our own verifier tries both', async (context) => {
    const [first, second] = await Promise.all(
      [1, 2].map(() => createAuthority('saas.example', { keyIdentifiers: false })),
    )
    assert.ok(first !== undefined && second !== undefined)
    const [ofFirst, ofSecond] = [first, second].map((authority) => authority.issue(coreApi, { keyIdentifiers: false }))
    assert.ok(ofFirst !== undefined && ofSecond !== undefined)
    const twins = await first.source(billing, { federated: [second] })
    const guarded = await serveGuarded(context, { source: twins })
    assert.equal((await ask(guarded.as(await ofFirst))).answer, coreApi)
    // OpenSSL tries only the first of two issuers with the same name.
    assert.equal((await ask(guarded.as(await ofSecond))).answer, isOpensslAsked ? undefined : coreApi)
    assert.deepEqual(reasonsOf(guarded), isOpensslAsked ? ['tls_refused'] : [])
    assert.ok(guarded.events.some((event) => event.type === 'source' && event.code === 'authority_unusable'))
    for (const svid of [ofFirst, ofSecond]) {
      assert.equal(reasonOf(verify((await svid).certificates, { bundles: bundlesOf(first, second) })), 'ok')
    }
  })

  test('refuses an authority that is not self-signed with the reason, because `allowPartialTrustChain` is ignored', async (context) => {
    const lower = await ours.intermediate()
    const svid = await lower.issue(coreApi)
    const ca = lower.certificatePem
    const bare = await serveBare(context, { ...optionsOf(own), ca, allowPartialTrustChain: true })
    assert.equal((await ask(bare.as(svid))).answer, undefined)

    const { key, cert } = optionsOf(own)
    const [partial, whole] = [ca, `${ca}${ours.bundlePem}`]
    assert.throws(
      () => createMaterial({ key, cert, bundles: { 'saas.example': partial } }),
      hasCode('authority_unusable'),
    )
    assert.equal(createMaterial({ key, cert, bundles: { 'saas.example': whole } }).bundles.size, 1)
  })
})

function hasCode(code: CertificateErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof CertificateError && error.code === code
}
