import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Authority, createAuthority } from '@countersign/testkit'
import { serverAuth } from '../../packages/spiffe/src/certificate/certificate.ts'
import { carryOver, verifySvid } from '../../packages/spiffe/src/svid/verify-svid.ts'
import { X509Svid } from '../../packages/spiffe/src/svid/x509-svid.ts'
import { X509Bundle } from '../../packages/spiffe/src/trust/bundle.ts'
import { authority, bundlesOf, callerId, decodeAll, reasonOf, verify } from './claims.ts'

async function createIntermediates(count: number, options: Parameters<Authority['intermediate']>[0] = {}) {
  return Promise.all(Array.from({ length: count }, () => authority.intermediate({ key: authority.key, ...options })))
}

test('refuses an empty chain', () => {
  assert.equal(reasonOf(verify([])), 'certificate_missing')
})

test('refuses bytes that are not a certificate, at any position in the chain', async () => {
  const { certificates } = await authority.issue(callerId)
  const trailing = await authority.issue(callerId, { faults: ['trailing_bytes'] })
  const twice = await authority.issue(callerId, { faults: ['duplicate_extension'] })
  for (const chain of [
    [Buffer.from('junk')],
    [...certificates, Buffer.alloc(0)],
    trailing.certificates,
    twice.certificates,
  ]) {
    assert.equal(reasonOf(verify(chain)), 'certificate_malformed')
  }
})

test('never throws for mutated certificates', async () => {
  const [leaf] = (await authority.issue(callerId)).certificates
  assert.ok(leaf)
  for (let length = 0; length < leaf.length; length += 7) {
    assert.equal(reasonOf(verify([leaf.subarray(0, length)])), 'certificate_malformed')
  }
  for (let index = 0; index < leaf.length; index += 3) {
    const damaged = Buffer.from(leaf)
    damaged.writeUInt8(damaged.readUInt8(index) ^ 0x21, index)
    assert.notEqual(reasonOf(verify([damaged])), 'ok', `byte ${index}`)
  }
})

test('accepts sixteen certificates and refuses seventeen before decoding any', async () => {
  const { certificates } = await authority.issue(callerId)
  const chain = (count: number) => [
    ...certificates,
    ...Array.from({ length: count - 1 }, () => authority.certificateDer),
  ]
  assert.equal(reasonOf(verify(chain(16))), 'ok')
  assert.equal(reasonOf(verify(chain(17))), 'too_many_certificates')
  assert.equal(reasonOf(verify(Array.from({ length: 17 }, () => Buffer.from('junk')))), 'too_many_certificates')
})

test('refuses chains of more than 64 KiB before decoding any', async () => {
  const { certificates } = await authority.issue(callerId)
  assert.equal(reasonOf(verify([...certificates, Buffer.alloc(64 * 1024)])), 'chain_too_large')
  assert.equal(reasonOf(verify([Buffer.alloc(64 * 1024 + 1)])), 'chain_too_large')
})

test('reports the claimed SPIFFE ID with a refusal once it could be read', async () => {
  const { certificates } = await authority.issue(callerId, { faults: ['bad_signature'] })
  const unnamed = await authority.issue(callerId, { faults: ['no_uri_san'] })
  const named = verify(certificates)
  const nameless = verify(unnamed.certificates)
  assert.equal(!named.ok && named.spiffeId, callerId)
  assert.equal('spiffeId' in nameless, false)
})

test('completes a chain with an additional certificate, which is verified like a presented one', async () => {
  const lower = await authority.intermediate()
  const expired = await authority.intermediate({ faults: ['expired'] })
  const [leaf] = (await lower.issue(callerId)).certificates
  const [late] = (await expired.issue(callerId)).certificates
  assert.ok(leaf && late)
  const additional = decodeAll([lower.certificateDer, expired.certificateDer])
  assert.equal(reasonOf(verify([leaf])), 'unknown_authority')
  assert.equal(reasonOf(verify([leaf], { additional })), 'ok')
  assert.equal(reasonOf(verify([late], { additional })), 'expired')
})

test('completes a chain with known certificates of the trust domain that the leaf names, and requests no other', async () => {
  const lower = await authority.intermediate()
  const [leaf] = (await lower.issue(callerId)).certificates
  const [stranger] = (await lower.issue(callerId, { uris: ['spiffe://partner.example/x'] })).certificates
  assert.ok(leaf && stranger)
  const asked = new Set<string>()
  const known = (trustDomain: string): ReturnType<typeof decodeAll> => {
    asked.add(trustDomain)
    return trustDomain === 'saas.example' ? decodeAll([lower.certificateDer]) : []
  }
  assert.equal(reasonOf(verify([leaf], { known })), 'ok')
  assert.deepEqual([...asked], ['saas.example'])
  const bundles = new Map([
    ...bundlesOf(authority),
    ['partner.example', X509Bundle.parse('partner.example', authority.bundlePem)],
  ])
  assert.equal(reasonOf(verify([stranger], { known, bundles })), 'unknown_authority')
})

test('completes a chain with several missing certificates', async () => {
  const lowest = await (await authority.intermediate({ name: 'upper' })).intermediate({ name: 'lower' })
  const [leaf, ...above] = (await lowest.issue(callerId)).certificates
  assert.ok(leaf)
  assert.equal(reasonOf(verify([leaf], { additional: decodeAll(above.toReversed()) })), 'ok')
})

test('accepts a complete chain however many additional certificates there are', async () => {
  const lower = await authority.intermediate()
  const others = await createIntermediates(40, { keyIdentifiers: false })
  const additional = decodeAll(others.map(({ certificateDer }) => certificateDer))
  assert.equal(reasonOf(verify((await lower.issue(callerId)).certificates, { additional })), 'ok')
})

test('accepts a complete chain whatever the size of additional certificates', async () => {
  const lower = await authority.intermediate()
  const value = Buffer.concat([Buffer.of(0x04, 0x82, 0x75, 0x30), Buffer.alloc(30_000)])
  const others = await createIntermediates(3, {
    keyIdentifiers: false,
    extensions: [{ oid: '1.3.6.1.4.1.99999.3', value }],
  })
  const additional = decodeAll(others.map(({ certificateDer }) => certificateDer))
  assert.equal(reasonOf(verify((await lower.issue(callerId)).certificates, { additional })), 'ok')
})

test('selects by key id among forty additional certificates with the same name', async () => {
  const others = await Promise.all(Array.from({ length: 40 }, () => authority.intermediate()))
  const additional = decodeAll(others.map(({ certificateDer }) => certificateDer))
  const [leaf] = (await others[39]?.issue(callerId))?.certificates ?? []
  assert.ok(leaf)
  assert.equal(reasonOf(verify([leaf], { additional })), 'ok')
})

test('completes a chain without key ids', async () => {
  const lower = await authority.intermediate()
  const [leaf] = (await lower.issue(callerId, { keyIdentifiers: false })).certificates
  assert.ok(leaf)
  assert.equal(reasonOf(verify([leaf], { additional: decodeAll([lower.certificateDer]) })), 'ok')
})

test("requires the key usage of the peer's side", async () => {
  const clients = await authority.intermediate({ extendedKeyUsages: ['clientAuth'] })
  const { certificates } = await clients.issue(callerId)
  assert.equal(reasonOf(verify(certificates)), 'ok')
  assert.equal(reasonOf(verify(certificates, { usage: serverAuth })), 'wrong_extended_key_usage')
})

test('tries every authority of a bundle, even if they share a name', async () => {
  const next = await createAuthority('saas.example')
  const { certificates } = await next.issue(callerId)
  assert.equal(reasonOf(verify(certificates, { bundles: bundlesOf(authority, next) })), 'ok')
  assert.equal(reasonOf(verify(certificates, { bundles: bundlesOf(next, authority) })), 'ok')
})

test('rethrows an exception of the caller instead of returning a verdict', async () => {
  const { certificates } = await authority.issue(callerId)
  class Broken extends Map<string, never> {
    override get(): never {
      throw new RangeError('broken')
    }
  }
  assert.throws(() => verifySvid({ chain: certificates, bundles: new Broken(), now: Date.now() }), RangeError)
})

test('returns a proof that cannot be created or changed elsewhere', async () => {
  const verdict = verify((await authority.issue(callerId)).certificates)
  assert.ok(verdict.ok && verdict.svid instanceof X509Svid)
  assert.equal(Reflect.set(verdict.svid, 'expiresAt', Infinity), false)
  const forged: unknown = Object.create(X509Svid.prototype)
  assert.throws(() => forged instanceof X509Svid && forged.spiffeId, TypeError)
})

test('does not renew a proof under the bundle of another trust domain, even with the same authority', async () => {
  const verdict = verify((await authority.issue(callerId)).certificates)
  assert.ok(verdict.ok)
  assert.notEqual(carryOver(verdict.svid, X509Bundle.parse('saas.example', authority.bundlePem)), undefined)
  assert.equal(carryOver(verdict.svid, X509Bundle.parse('partner.example', authority.bundlePem)), undefined)
})

test('does not confuse a presented certificate with a known one unless they are identical', async () => {
  // With the same name and length, because ECDSA signatures have three possible lengths.
  const known = await authority.intermediate()
  let presented = await authority.intermediate()
  while (presented.certificateDer.length !== known.certificateDer.length) presented = await authority.intermediate()
  const [leaf] = (await presented.issue(callerId)).certificates
  assert.ok(leaf)
  const additional = decodeAll([known.certificateDer])
  assert.equal(reasonOf(verify([leaf, presented.certificateDer], { additional })), 'ok')
})
