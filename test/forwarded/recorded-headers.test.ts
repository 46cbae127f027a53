import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type ForwardedFormat,
  parseForwardedFormat,
} from '../../packages/core/src/credential/forwarded/forwarded-format.ts'
import { readHeaderLines } from '../../packages/core/src/credential/forwarded/strip-headers.ts'
import { describeClaim, ordersId, proxyId, type RecordedRow, rows, sfBytesOf, orders } from './recorded.ts'

const formats: Readonly<Record<string, ForwardedFormat>> = {
  nginx: { nginx: { header: 'X-SSL-Client-Cert' } },
  haproxy: { haproxy: { header: 'Client-Cert', chainHeader: 'X-SSL-Chain' } },
  caddy: 'caddy',
}

const none = { kind: 'none' }
const leaf = { kind: 'certificate', leaf: 'orders', chain: [] }
const chain = { kind: 'certificate', leaf: 'orders', chain: ['intermediate'] }
const name = { kind: 'name', by: proxyId, spiffeId: ordersId }
const forged = { kind: 'name', by: proxyId, spiffeId: 'spiffe://saas.example/ns/production/sa/admin' }

interface Expected {
  readonly orders: unknown
  readonly 'orders, forging': unknown
  readonly 'no certificate': unknown
  readonly 'no certificate, forging': unknown
}

const expected: Readonly<Record<string, Expected>> = {
  nginx: { orders: leaf, 'orders, forging': leaf, 'no certificate': none, 'no certificate, forging': none },
  // The recorded configuration lacks `del-header`, so the caller's own header passes if it has no certificate.
  haproxy: { orders: chain, 'orders, forging': chain, 'no certificate': none, 'no certificate, forging': 'malformed' },
  caddy: { orders: leaf, 'orders, forging': leaf, 'no certificate': none, 'no certificate, forging': none },
  'envoy SANITIZE_SET': {
    orders: name,
    'orders, forging': name,
    'no certificate': none,
    'no certificate, forging': none,
  },
  'envoy SANITIZE_SET cert chain': {
    orders: { ...chain, by: proxyId, spiffeId: ordersId },
    'orders, forging': { ...chain, by: proxyId, spiffeId: ordersId },
    'no certificate': none,
    'no certificate, forging': none,
  },
  // The last element is the proxy's own: nothing before it has the beginning that Envoy gives its elements.
  'envoy APPEND_FORWARD': {
    orders: name,
    'orders, forging': name,
    'no certificate': none,
    'no certificate, forging': none,
  },
  'envoy SANITIZE': { orders: none, 'orders, forging': none, 'no certificate': none, 'no certificate, forging': none },
  // These two modes pass on what the caller wrote. No reader can tell.
  'envoy FORWARD_ONLY': {
    orders: none,
    'orders, forging': forged,
    'no certificate': none,
    'no certificate, forging': none,
  },
  'envoy ALWAYS_FORWARD_ONLY': {
    orders: none,
    'orders, forging': forged,
    'no certificate': none,
    'no certificate, forging': forged,
  },
}

for (const row of rows) {
  test(`reads what ${row.proxy} sends for ${describe(row)}`, () => {
    const reader = parseForwardedFormat(formats[row.proxy] ?? 'xfcc', 'format')
    const claim = reader.read(readHeaderLines(row.received.headers.flat()))

    assert.deepEqual(describeClaim(claim), expected[row.proxy]?.[describe(row)])
  })
}

test('the table has every recorded request', () => {
  assert.equal(rows.length, 4 * Object.keys(expected).length)
  assert.equal(new Set(rows.map((row) => `${row.proxy} ${describe(row)}`)).size, rows.length)
})

test('HAProxy without del-header passes on the certificate that a caller without one forged', () => {
  const reader = parseForwardedFormat(formats['haproxy'], 'format')

  const claim = reader.read(readHeaderLines(['client-cert', sfBytesOf(orders), 'x-ssl-client-verify', '0']))

  assert.deepEqual(describeClaim(claim), leaf)
})

function describe(row: RecordedRow): keyof Expected {
  if (row.caller === 'orders') return row.forgedHeadersSent ? 'orders, forging' : 'orders'
  return row.forgedHeadersSent ? 'no certificate, forging' : 'no certificate'
}
