import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTrustDomain, SpiffeId, SpiffeIdError, type SpiffeIdErrorCode } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'
import { X509Bundle } from '../../packages/spiffe/src/trust/bundle.ts'
import { verifySvid } from '../../packages/spiffe/src/svid/verify-svid.ts'

/** The requirements of the SPIFFE-ID standard, one row each. */

const refuses = (text: string, code: SpiffeIdErrorCode): void => {
  assert.throws(
    () => SpiffeId.parse(text),
    (error) => error instanceof SpiffeIdError && error.code === code && error.value === text,
    text,
  )
}

test('SI-1 refuses any scheme but spiffe, a missing authority part and an empty trust domain', () => {
  for (const text of ['https://saas.example/x', 'spiffe:saas.example/x', 'spiffe:/saas.example/x', 'saas.example/x']) {
    refuses(text, 'bad_scheme')
  }
  refuses('spiffe://', 'missing_trust_domain')
  refuses('spiffe:///x', 'missing_trust_domain')
})

test('SI-2 refuses query and fragment, after the trust domain as well as after the path', () => {
  for (const end of ['?q', '#f', '?', '#']) {
    refuses(`spiffe://saas.example${end}`, 'bad_trust_domain_char')
    refuses(`spiffe://saas.example/x${end}`, 'bad_path_char')
  }
})

test('SI-3 refuses userinfo and port, even a colon alone', () => {
  for (const name of [
    'caller@saas.example',
    'a:b@saas.example',
    'saas.example:443',
    'saas.example:',
    '@saas.example',
  ]) {
    refuses(`spiffe://${name}/x`, 'bad_trust_domain_char')
  }
})

test('SI-4 refuses a trust domain with percent-encoding, an IPv6 literal or a letter beyond a-z', () => {
  for (const name of ['saas%2eexample', '[2001:db8::1]', 'sa as', 'säas.example', '\u212a.example', 'saas.example\n']) {
    refuses(`spiffe://${name}/x`, 'bad_trust_domain_char')
  }
})

test('SI-5 reads a trust domain like an IPv4 address or a DNS name as any other', () => {
  for (const name of ['192.168.1.1', '999.1.1.1', 'example..org', '-a.org', '.', '_', `${'a'.repeat(70)}.org`]) {
    assert.equal(SpiffeId.parse(`spiffe://${name}/x`).trustDomain, name)
    assert.equal(parseTrustDomain(name), name)
  }
})

test('SI-6 refuses a path with percent-encoding or any character outside letters, digits and .-_', () => {
  for (const path of ['/%61', '/a b', '/a,b', '/a+b', '/a*', '/a\\b', '/a:b', '/a\0', '/a\n', '/ä', '/a~']) {
    refuses(`spiffe://saas.example${path}`, 'bad_path_char')
  }
  assert.equal(SpiffeId.parse('spiffe://saas.example/aZ09.-_').path, '/aZ09.-_')
})

test('SI-7 refuses empty and dot segments and a trailing slash, and reads segments of three dots or with dots', () => {
  for (const path of ['//', '//a', '/a//b', '/a//']) refuses(`spiffe://saas.example${path}`, 'empty_segment')
  for (const path of ['/', '/a/']) refuses(`spiffe://saas.example${path}`, 'trailing_slash')
  for (const path of ['/.', '/..', '/a/./b', '/../a']) refuses(`spiffe://saas.example${path}`, 'dot_segment')
  assert.deepEqual(SpiffeId.parse('spiffe://saas.example/.../.x/..x/x..').segments, ['...', '.x', '..x', 'x..'])
})

test('SI-8 accepts an ID of 2048 bytes', () => {
  const text = `spiffe://saas.example/${'a'.repeat(2048 - 'spiffe://saas.example/'.length)}`
  assert.equal(text.length, 2048)
  assert.equal(SpiffeId.parse(text).toString(), text)
})

test('SI-9 refuses an ID of 2049 bytes', () => {
  refuses(`spiffe://saas.example/${'a'.repeat(2049 - 'spiffe://saas.example/'.length)}`, 'too_long')
})

test('SI-10 accepts a trust domain of 255 bytes and refuses one of 256', () => {
  assert.equal(SpiffeId.parse(`spiffe://${'a'.repeat(255)}/x`).trustDomain.length, 255)
  refuses(`spiffe://${'a'.repeat(256)}/x`, 'trust_domain_too_long')
  assert.equal(parseTrustDomain('a'.repeat(255)).length, 255)
  assert.throws(
    () => parseTrustDomain('a'.repeat(256)),
    (error) => error instanceof SpiffeIdError && error.code === 'trust_domain_too_long',
  )
})

test('SI-11 refuses upper case in scheme and trust domain, and compares paths byte for byte', () => {
  refuses('SPIFFE://saas.example/x', 'bad_scheme')
  refuses('spiffe://Saas.example/x', 'bad_trust_domain_char')
  const id = SpiffeId.parse('spiffe://saas.example/x')
  assert.equal(id.equals(SpiffeId.parse('spiffe://saas.example/x')), true)
  assert.equal(id.equals(SpiffeId.parse('spiffe://saas.example/X')), false)
})

test('SI-12 distinguishes equal paths of two trust domains', () => {
  const id = SpiffeId.parse('spiffe://saas.example/ns/production/sa/core-api')
  assert.equal(id.equals(SpiffeId.parse('spiffe://partner.example/ns/production/sa/core-api')), false)
})

test('SI-13 refuses an SVID whose authority has the ID of another trust domain', async () => {
  const authority = await createAuthority('saas.example', { faults: ['foreign_trust_domain'] })
  const { certificates } = await authority.issue('spiffe://saas.example/x')
  const bundles = new Map([['saas.example', X509Bundle.parse('saas.example', authority.bundlePem)]])
  const verdict = verifySvid({ chain: certificates, bundles, now: Date.now() })
  assert.equal(verdict.ok || verdict.reason, 'signing_certificate_spiffe_id')
})

test('SI-14 does not accept a certificate without a SPIFFE ID as an SVID', async () => {
  const authority = await createAuthority('saas.example')
  const { certificates } = await authority.issue('spiffe://saas.example/x', { faults: ['no_uri_san'] })
  const bundles = new Map([['saas.example', X509Bundle.parse('saas.example', authority.bundlePem)]])
  const verdict = verifySvid({ chain: certificates, bundles, now: Date.now() })
  assert.equal(verdict.ok || verdict.reason, 'no_uri_san')
})
