import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  parseAssertedFormat,
  parseForwardedFormat,
} from '../../packages/core/src/credential/forwarded/forwarded-format.ts'
import { derOf, describeClaim, intermediate, linesOf, orders, sfBytesOf } from './recorded.ts'

const leaf = sfBytesOf(orders)
const other = sfBytesOf(intermediate)
const base64 = orders.toString('base64')
const reader = parseForwardedFormat('client-cert', 'format')

test('reads a leaf and a chain', () => {
  const chains = [other, `${other},${other}`, `${other}, ${other}`, `${other} ,\t${other}`, [other, other], ['', other]]
  for (const chain of chains) {
    const claim = reader.read(linesOf({ 'client-cert': leaf, 'client-cert-chain': chain }))
    const length = Array.isArray(chain) ? chain.filter((line) => line !== '').length : chain.split(',').length
    assert.deepEqual(describeClaim(claim), {
      kind: 'certificate',
      leaf: 'orders',
      chain: Array.from({ length }, () => 'intermediate'),
    })
  }
})

test('reads no header, and an empty one, as no certificate', () => {
  for (const fields of [{}, { 'client-cert': '' }, { 'client-cert': '', 'client-cert-chain': ['', ''] }]) {
    assert.deepEqual(reader.read(linesOf(fields)), { kind: 'none' })
  }
})

const refusedLeaves: readonly (readonly [what: string, value: string | readonly string[]])[] = [
  ['two field lines', [leaf, leaf]],
  ['an empty and a full field line', ['', leaf]],
  ['a list', `${leaf},${leaf}`],
  ['parameters', `${leaf};a=1`],
  ['an inner list', `(${leaf})`],
  ['a string', `"${base64}"`],
  ['a token', 'MIIB'],
  ['an empty byte sequence', '::'],
  ['base64 without colons', base64],
  ['an open byte sequence', `:${base64}`],
  ['base64url', sfBytesOf(orders).replaceAll('+', '-').replaceAll('/', '_')],
  ['no padding', leaf.replaceAll('=', '')],
  ['bits in the padding', leaf.replace('4Q=', '4R=')],
  ['a blank in the base64', leaf.replace('MIIB', 'MI IB')],
  ['a blank around it', ` ${leaf}`],
  ['bytes that are not DER', ':AAAA:'],
  ['a truncated certificate', sfBytesOf(orders.subarray(0, -1))],
  ['a byte behind the certificate', sfBytesOf(Buffer.concat([orders, Buffer.of(0)]))],
  ['two certificates in one', sfBytesOf(Buffer.concat([orders, intermediate]))],
  ['characters outside ASCII', `:\u00E9${base64}:`],
  ['the placeholder of Caddy', ':{http.request.tls.client.certificate_der_base64}:'],
  ['PEM', encodeURIComponent('-----BEGIN CERTIFICATE-----')],
  ['more than 64 KiB', sfBytesOf(derOf(65 * 1024))],
  ['a value that is too long', `:${'A'.repeat(200_000)}:`],
]

for (const [what, value] of refusedLeaves) {
  test(`refuses a Client-Cert with ${what}`, () => {
    assert.equal(reader.read(linesOf({ 'client-cert': value })).kind, 'malformed')
  })
}

const refusedChains: readonly (readonly [what: string, value: string | readonly string[]])[] = [
  ['parameters', `${other};a=1`],
  ['parameters at one member', `${other},${other};a`],
  ['an inner list', `(${other})`],
  ['a trailing comma', `${other},`],
  ['a token', `${other},MIIB`],
  ['an empty member', `${other},::`],
  ['no padding', `${other},:${base64.replaceAll('=', '')}:`],
  ['a member that is not DER', `${other},:AAAA:`],
  ['two certificates in one member', sfBytesOf(Buffer.concat([intermediate, intermediate]))],
  ['a second line that is invalid', [other, ':BBBB:']],
  ['16 certificates beside the leaf', Array.from({ length: 16 }, () => other)],
  ['64 KiB beside the leaf', [sfBytesOf(derOf(32 * 1024)), sfBytesOf(derOf(32 * 1024))]],
]

for (const [what, value] of refusedChains) {
  test(`refuses a Client-Cert-Chain with ${what}`, () => {
    assert.equal(reader.read(linesOf({ 'client-cert': leaf, 'client-cert-chain': value })).kind, 'malformed')
  })
}

test('refuses a chain without a leaf', () => {
  assert.equal(reader.read(linesOf({ 'client-cert-chain': other })).kind, 'malformed')
  assert.equal(reader.read(linesOf({ 'client-cert': '', 'client-cert-chain': other })).kind, 'malformed')
})

test('accepts 16 certificates and no more', () => {
  const claim = reader.read(
    linesOf({ 'client-cert': leaf, 'client-cert-chain': Array.from({ length: 15 }, () => other) }),
  )
  assert.equal(claim.kind === 'certificate' && claim.chain.length, 15)
})

test('Caddy: ignores a Client-Cert-Chain, which it never writes', () => {
  const caddy = parseForwardedFormat('caddy', 'format')

  const claim = caddy.read(linesOf({ 'client-cert': leaf, 'client-cert-chain': other }))

  assert.deepEqual(describeClaim(claim), { kind: 'certificate', leaf: 'orders', chain: [] })
})

test('Caddy: reads its placeholder as no certificate, but not beside another line', () => {
  const caddy = parseForwardedFormat('caddy', 'format')
  const placeholder = ':{http.request.tls.client.certificate_der_base64}:'
  const kinds = [placeholder, '::', '', [placeholder, leaf], [leaf, placeholder], ':{other}:'].map(
    (value) => caddy.read(linesOf({ 'client-cert': value })).kind,
  )
  assert.deepEqual(kinds, ['none', 'none', 'none', 'malformed', 'malformed', 'malformed'])
})

test('Google Cloud: reads the headers that the operator chose', () => {
  const gcp = parseAssertedFormat(
    { gcp: { header: 'X-Leaf', chainHeader: 'X-Chain', presentHeader: 'X-Present' } },
    'format',
  )
  const read = (fields: Readonly<Record<string, string>>) => describeClaim(gcp.read(linesOf(fields)))

  assert.deepEqual(gcp.headers, ['x-leaf', 'x-chain', 'x-present'])
  assert.deepEqual(read({ 'x-leaf': leaf, 'x-chain': other, 'x-present': 'true' }), {
    kind: 'certificate',
    leaf: 'orders',
    chain: ['intermediate'],
  })
  assert.deepEqual(read({ 'x-leaf': '', 'x-chain': '', 'x-present': 'false' }), { kind: 'none' })
  // Google omits a certificate that is too large or that it could not verify.
  assert.equal(read({ 'x-leaf': '', 'x-present': 'true' }), 'malformed')
  assert.equal(read({ 'x-leaf': leaf, 'x-present': 'false' }), 'malformed')
  assert.equal(read({ 'x-leaf': ':AAAA:', 'x-present': 'true' }), 'malformed')
})
