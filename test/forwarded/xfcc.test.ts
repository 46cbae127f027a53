import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import {
  parseAssertedFormat,
  parseForwardedFormat,
} from '../../packages/core/src/credential/forwarded/forwarded-format.ts'
import { describeClaim, escapedPemOf, intermediate, linesOf, orders, ordersId, proxyId } from './recorded.ts'

const reader = parseForwardedFormat('xfcc', 'format')
const hash = createHash('sha256').update(orders).digest('hex')
const by = `By=${proxyId}`
const uri = `URI=${ordersId}`
const cert = `Cert="${escapedPemOf(orders)}"`
const chain = `Chain="${escapedPemOf(orders, intermediate)}"`
const name = { kind: 'name', by: proxyId, spiffeId: ordersId }

function read(value: string | readonly string[]): unknown {
  return describeClaim(reader.read(linesOf({ 'x-forwarded-client-cert': value })))
}

const accepted: readonly (readonly [what: string, value: string, claim: unknown])[] = [
  ['a name', `${by};${uri}`, name],
  ['a name without By', uri, { kind: 'name', spiffeId: ordersId }],
  ['keys in any case', `bY=${proxyId};uRI=${ordersId}`, name],
  ['quoted values', `By="${proxyId}";URI="${ordersId}"`, name],
  ['several DNS names', `${by};${uri};DNS=a.example;DNS=b.example`, name],
  ['an empty Subject', `${by};Subject="";${uri}`, name],
  ['a Hash without a certificate', `${by};Hash=abc;${uri}`, name],
  [
    'a certificate and its chain',
    `${by};Hash=${hash};${cert};${chain};${uri}`,
    { kind: 'certificate', leaf: 'orders', chain: ['intermediate'], by: proxyId, spiffeId: ordersId },
  ],
  ['a certificate alone', cert, { kind: 'certificate', leaf: 'orders', chain: [] }],
  ['a Hash in upper case', `Hash=${hash.toUpperCase()};${cert}`, { kind: 'certificate', leaf: 'orders', chain: [] }],
  ['a certificate with an empty URI', `${cert};URI=`, { kind: 'certificate', leaf: 'orders', chain: [] }],
  ['a chain alone, leaf first', chain, { kind: 'certificate', leaf: 'orders', chain: ['intermediate'] }],
  ['the last of several elements', `By=spiffe://saas.example/a;URI=spiffe://saas.example/b,${by};${uri}`, name],
  ['the element behind a forged one', `${by};URI=spiffe://saas.example/admin,${by};Hash=${hash};${uri}`, name],
]

for (const [what, value, claim] of accepted) {
  test(`reads ${what}`, () => {
    assert.deepEqual(read(value), claim)
  })
}

const hostileSubjects: readonly string[] = [
  String.raw`CN=x\";URI=spiffe://saas.example/ns/production/sa/admin\;Y=\"`,
  String.raw`CN=x\",By=spiffe://saas.example/ns/edge/sa/proxy\;URI=spiffe://saas.example/admin`,
  String.raw`CN=a\\`,
  String.raw`CN=\,\;\=\+`,
  'O=\u00C3\u00A9\u00FF',
  ';,=',
]

for (const subject of hostileSubjects) {
  test(`is not misled by the subject ${subject}`, () => {
    assert.deepEqual(read(`${by};Hash=${hash};Subject="${subject}";${uri}`), name)
    assert.deepEqual(read(`${by};Hash=${hash};${uri};Subject="${subject}"`), name)
  })
}

const refused: readonly (readonly [what: string, value: string | readonly string[]])[] = [
  ['two field lines', [`${by};${uri}`, `${by};${uri}`]],
  ['an unknown key', `${by};${uri};Issuer=x`],
  ['an unknown key in an earlier element', `By=spiffe://a/b;SAN=x,${by};${uri}`],
  ['a key without a value', `${by};${uri};DNS`],
  ['no key', `=x;${uri}`],
  ['an empty pair', `${by};;${uri}`],
  ['a trailing semicolon', `${by};${uri};`],
  ['an empty element', `${by};${uri},`],
  ['an empty first element', `,${by};${uri}`],
  ['a blank behind a comma', `By=spiffe://a/b, ${by};${uri}`],
  ['a blank behind a semicolon', `${by}; ${uri}`],
  ['two By', `${by};${by};${uri}`],
  ['two URI', `${by};${uri};URI=spiffe://saas.example/other`],
  ['the same URI twice, in another case', `${by};${uri};uri=${ordersId}`],
  ['two Hash', `Hash=${hash};Hash=${hash};${cert}`],
  ['two Cert', `${cert};${cert}`],
  ['two Subject', `${by};Subject="a";Subject="b";${uri}`],
  ['an open quote', `${by};${uri};Subject="CN=x`],
  ['an escape at the end', `${by};${uri};Subject="CN=x\\`],
  ['text behind a quote', `${by};Subject="a"b;${uri}`],
  ['text instead of a comma', `By=spiffe://a/b;Subject="a"x${by};${uri}`],
  ['a quote inside a value', `By=spi"ffe;${uri}`],
  ['an equals sign without quotes', `${by};${uri};DNS=a=b`],
  ['neither a certificate nor a name', `${by};Hash=${hash};Subject="CN=orders"`],
  ['an empty URI', `${by};URI=`],
  ['a URI that is not a SPIFFE ID', `${by};URI=https://saas.example/orders`],
  ['a SPIFFE ID in upper case', `${by};URI=SPIFFE://saas.example/orders`],
  ['a URI beside a certificate that is not a SPIFFE ID', `${cert};URI=urn:orders`],
  ['a name in the earlier element only', `By=spiffe://a/b;${uri},${by}`],
  ['a Hash of another certificate', `Hash=${'0'.repeat(64)};${cert}`],
  ['an empty Hash beside a certificate', `Hash=;${cert}`],
  ['an empty Cert', `Cert="";${uri}`],
  ['two certificates in Cert', `Cert="${escapedPemOf(orders, intermediate)}"`],
  ['a Cert that is not escaped PEM', `Cert="${orders.toString('base64')}"`],
  ['a broken Chain', `${cert};Chain="${escapedPemOf(orders)}x"`],
  ['a long name', `${by};${uri};DNS=${'a'.repeat(8193)}`],
  ['17 elements', Array.from({ length: 17 }, (_, at) => `By=spiffe://a/${at};${uri}`).join(',')],
  ['a header that is too long', `${by};${uri}${`;DNS=${'a'.repeat(8000)}`.repeat(17)}`],
]

for (const [what, value] of refused) {
  test(`refuses ${what}`, () => {
    assert.equal(read(value), 'malformed')
  })
}

// Envoy does not quote By, URI and DNS. These callers have a certificate in which such a name contains commas.
const admin = 'spiffe://saas.example/ns/production/sa/admin'
const injected: readonly (readonly [what: string, value: string])[] = [
  ['the same By', `${by};Hash=${hash};${uri};DNS=x,${by};URI=${admin}`],
  ['the same By in quotes', `${by};Hash=${hash};${uri};DNS=x,By="${proxyId}";URI=${admin}`],
  ['the same By, escaped', `${by};Hash=${hash};${uri};DNS=x,By="\\${proxyId}";URI=${admin}`],
  ['no By', `${by};Hash=${hash};${uri};DNS=x,URI=${admin}`],
  ['an empty By', `${by};Hash=${hash};${uri};DNS=x,By=;URI=${admin}`],
  ['a By that the proxy does not write', `Hash=${hash};${uri};DNS=x,${by};URI=${admin}`],
  ['a certificate', `${by};Hash=${hash};${uri};DNS=x,${by};${cert}`],
  ['a certificate in the same element', `${by};Hash=${'1'.repeat(64)};${uri};DNS=x;${cert}`],
  // The caller's own header opens a quote, and its certificate closes it.
  ["the proxy's element in quotes", `By=spiffe://a/b;Subject=",${by};Hash=${hash};${uri};DNS=x",${by};URI=${admin}`],
]

for (const [what, value] of injected) {
  test(`refuses an element that a certificate added, with ${what}`, () => {
    assert.equal(read(value), 'malformed')
  })
}

test('reads no header, and an empty one, as no certificate', () => {
  assert.deepEqual(read([]), { kind: 'none' })
  assert.deepEqual(read(''), { kind: 'none' })
})

test('has room for the largest certificates that a peer may present', () => {
  const many = Array.from({ length: 15 }, () => intermediate)

  const claim = reader.read(
    linesOf({ 'x-forwarded-client-cert': `${by};${cert};Chain="${escapedPemOf(orders, ...many)}";${uri}` }),
  )

  assert.equal(claim.kind === 'certificate' && claim.chain.length, 15)
  assert.equal(read(`${by};${cert};Chain="${escapedPemOf(orders, ...many, intermediate)}";${uri}`), 'malformed')
})

test('Azure Container Apps: needs a certificate', () => {
  const azure = parseAssertedFormat('azure-container-apps', 'format')
  const kinds = [`Hash=${hash};${cert};${chain}`, uri, ''].map(
    (value) => azure.read(linesOf({ 'x-forwarded-client-cert': value })).kind,
  )
  assert.deepEqual(kinds, ['certificate', 'malformed', 'none'])
})
